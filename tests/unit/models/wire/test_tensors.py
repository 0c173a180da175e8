# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import decode, encode

SCHEMA = Schema(
    (
        TensorSpec("dense.weight", (3, 4)),
        TensorSpec("dense.bias", (3,)),
        TensorSpec("conv.weight", (2, 1, 2, 2)),
        TensorSpec("scale", ()),
        TensorSpec("empty", (0, 5)),
        TensorSpec('naïve "quoted"\n', (1,)),
    )
)


def some_weights(seed: int = 0) -> Weights:
    return Weights(SCHEMA, np.random.default_rng(seed).normal(size=SCHEMA.size).astype(np.float32))


def test_weights_and_metadata_survive_the_journey():
    weights, metadata = some_weights(), {"round": "7", "samples": "600", "Größe": "ß"}
    decoded, found = decode(encode(weights, metadata), SCHEMA)
    assert decoded.schema == SCHEMA
    assert decoded.vector.tobytes() == weights.vector.tobytes()
    assert found == metadata


def test_bytes_are_those_of_the_safetensors_package():
    weights = some_weights()
    assert encode(weights, {}) == safetensors.numpy.save(weights.tensors())
    # With several metadata the package's order differs from run to run; with one there is one order.
    assert encode(weights, {"clé": "\u0007\u2028"}) == safetensors.numpy.save(
        weights.tensors(), {"clé": "\u0007\u2028"}
    )


def test_the_safetensors_package_reads_what_is_written():
    weights = some_weights()
    loaded = safetensors.numpy.load(encode(weights, {"b": "2", "a": "1"}))
    assert loaded.keys() == weights.tensors().keys()
    for name, tensor in weights.tensors().items():
        np.testing.assert_array_equal(loaded[name], tensor)


def test_reads_what_the_safetensors_package_writes_in_any_order_of_the_schema():
    weights = some_weights()
    data = safetensors.numpy.save(weights.tensors(), {"a": "1", "b": "2", "c": "3"})
    decoded, metadata = decode(data, SCHEMA)
    assert decoded.vector.tobytes() == weights.vector.tobytes()
    assert metadata == {"a": "1", "b": "2", "c": "3"}


def test_the_order_of_metadata_does_not_change_the_bytes():
    weights = some_weights()
    assert encode(weights, {"a": "1", "b": "2"}) == encode(weights, {"b": "2", "a": "1"})
    assert encode(weights, {"a": "1"}) != encode(weights, {"a": "2"})


def test_tensors_begin_at_a_multiple_of_8_bytes():
    for length in range(9):
        data = encode(some_weights(), {"x": "y" * length})
        assert int.from_bytes(data[:8], "little") % 8 == 0


def test_decoded_weights_do_not_share_memory_with_the_bytes():
    data = bytearray(encode(some_weights(), {}))
    decoded, _ = decode(bytes(data), SCHEMA)
    before = decoded.vector.copy()
    data[-4:] = b"\xff\xff\xff\xff"
    np.testing.assert_array_equal(decoded.vector, before)
    assert decoded.vector.flags.writeable


def test_denormals_negative_zero_and_the_largest_numbers_stay_bit_for_bit():
    vector = np.zeros(SCHEMA.size, dtype=np.float32)
    tiny, huge = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    vector[:5] = (tiny, -tiny, -0.0, huge, -huge)
    vector[5:] = huge  # their float32 sum would be infinite
    decoded, _ = decode(encode(Weights(SCHEMA, vector), {}), SCHEMA)
    assert decoded.vector.tobytes() == vector.tobytes()


def test_a_schema_without_tensors_is_an_empty_file():
    nothing = Weights(Schema(()), np.zeros(0, dtype=np.float32))
    assert encode(nothing, {}) == safetensors.numpy.save({})
    assert decode(encode(nothing, {}), Schema(()))[0].vector.size == 0


def test_a_header_of_exactly_the_limit_is_read():
    data = encode(some_weights(), {"a": "b"})
    length = int.from_bytes(data[:8], "little")
    decode(data, SCHEMA, max_header=length)
    with pytest.raises(MalformedUpdate) as caught:
        decode(data, SCHEMA, max_header=length - 1)
    assert caught.value.reason == "header_size"


def test_a_tensor_at_an_odd_offset_is_read():
    # Unpadded headers are legal in the format; numbers then start anywhere.
    schema = Schema((TensorSpec("a", (2,)),))
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} '
    assert (8 + len(header)) % 4 != 0
    data = len(header).to_bytes(8, "little") + header + np.array([1.5, -2.0], dtype="<f4").tobytes()
    np.testing.assert_array_equal(decode(data, schema)[0].vector, [1.5, -2.0])
