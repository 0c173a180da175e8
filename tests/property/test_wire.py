# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes come: finite weights of the expected schema, or ``MalformedUpdate``."""

from __future__ import annotations

import json
import struct

import numpy as np
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import decode, encode

SCHEMA = Schema((TensorSpec("bias", (2,)), TensorSpec("weight", (2, 3)), TensorSpec("scale", ())))
VALID = encode(Weights(SCHEMA, np.arange(9, dtype=np.float32)), {"round": "1"})

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=20)


def decodes_or_refuses(data: bytes) -> None:
    try:
        weights, metadata = decode(data, SCHEMA)
    except MalformedUpdate:
        return
    assert weights.schema == SCHEMA
    assert weights.vector.dtype == np.float32
    assert np.isfinite(weights.vector).all()
    assert all(isinstance(part, str) for pair in metadata.items() for part in pair)
    # What passes here, the reference implementation reads alike.
    loaded = safetensors.numpy.load(data)
    for name, tensor in weights.tensors().items():
        np.testing.assert_array_equal(loaded[name], tensor)


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes):
    decodes_or_refuses(data)


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_arbitrary_header(header: bytes, body: bytes):
    decodes_or_refuses(struct.pack("<Q", len(header)) + header + body)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes(changes: list[tuple[int, int]]):
    data = bytearray(VALID)
    for place, value in changes:
        data[place] = value
    decodes_or_refuses(bytes(data))


@settings(max_examples=300)
@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.binary(max_size=30))
def test_cut_doubled_and_inserted_bytes(one: int, other: int, inserted: bytes):
    decodes_or_refuses(VALID[:one] + inserted + VALID[other:])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
odd_integers = st.integers(-8, 48) | st.integers()
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F32", "F32", "F16", "I64"]) | json_values,
        "shape": st.sampled_from([[2], [2, 3], [], [3, 2]]) | json_values,
        "data_offsets": st.sampled_from([[0, 8], [8, 12], [12, 36], [8, 32]])
        | st.lists(odd_integers, max_size=3),
    }
)
headers = st.fixed_dictionaries(
    {"bias": entries, "weight": entries, "scale": entries},
    optional={"__metadata__": json_values | st.dictionaries(texts, texts, max_size=2), "more": json_values},
)


@settings(max_examples=500)
@given(headers, st.lists(st.floats(width=32), min_size=9, max_size=9))
def test_plausible_headers(header: dict, values: list[float]):
    raw = json.dumps(header).encode()
    decodes_or_refuses(struct.pack("<Q", len(raw)) + raw + np.array(values, dtype="<f4").tobytes())


@given(st.lists(finite, min_size=9, max_size=9), st.dictionaries(texts, texts, max_size=4))
def test_what_is_encoded_comes_back(values: list[float], metadata: dict[str, str]):
    weights = Weights(SCHEMA, np.array(values, dtype=np.float32))
    decoded, found = decode(encode(weights, metadata), SCHEMA)
    assert decoded.vector.tobytes() == weights.vector.tobytes()
    assert found == metadata
