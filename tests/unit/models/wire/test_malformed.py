# SPDX-License-Identifier: Apache-2.0
"""A corpus of hostile updates: each is refused for its own reason, in bounded memory."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from bcfl.models.errors import MalformedReason, MalformedUpdate
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import MAX_METADATA_CHARACTERS, MAX_METADATA_ENTRIES, decode, encode

SCHEMA = Schema((TensorSpec("bias", (2,)), TensorSpec("weight", (2, 3))))
VALUES = np.arange(8, dtype="<f4")
VALID = encode(Weights(SCHEMA, VALUES.astype(np.float32)), {"round": "1"})


def blob(header: bytes | str | dict, body: bytes = VALUES.tobytes(), *, length: int | None = None) -> bytes:
    if isinstance(header, dict):
        header = json.dumps(header)
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


def entry(begin: int, end: int, shape: list, dtype: object = "F32", **more: object) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


BIAS, WEIGHT = entry(0, 8, [2]), entry(8, 32, [2, 3])


def header(**changes: object) -> dict:
    return {"bias": BIAS, "weight": WEIGHT, **changes}


def with_metadata(metadata: object) -> bytes:
    return blob({"__metadata__": metadata, **header()})


def with_value(index: int, value: float) -> bytes:
    values = VALUES.copy()
    values[index] = value
    return blob(header(), values.tobytes())


def with_bits(index: int, bits: int) -> bytes:
    words = VALUES.copy().view("<u4")
    words[index] = bits
    return blob(header(), words.tobytes())


def zip_bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(1 << 24))
    return target.getvalue()


class Executed:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


CORPUS: dict[str, tuple[str, bytes | Callable[[], bytes]]] = {
    # lengths
    "nothing": ("truncated", b""),
    "seven bytes": ("truncated", VALID[:7]),
    "length alone": ("truncated", VALID[:8]),
    "cut inside the header": ("truncated", VALID[:40]),
    "cut inside a tensor": ("truncated", VALID[:-1]),
    "cut before the tensors": ("truncated", VALID[:-32]),
    "one byte too many": ("trailing", VALID + b"\0"),
    "a second update behind": ("trailing", VALID + VALID),
    "header of 2^64 - 1 bytes": ("header_size", blob(header(), length=2**64 - 1)),
    "header of 100 MB": ("header_size", blob(header(), length=100_000_000)),
    "header beyond the limit": ("header_size", blob(json.dumps(header()) + " " * 65536)),
    "header longer than the file": ("truncated", blob(header(), length=5000)),
    "header of no bytes": ("header_syntax", blob(b"")),
    # other formats
    "pickle": ("header_size", pickle.dumps({"bias": Executed()})),
    "pickle behind a length": ("header_syntax", blob(pickle.dumps(Executed()))),
    "zip bomb": ("header_size", zip_bomb),
    "zlib bomb": ("header_size", lambda: zlib.compress(bytes(1 << 24))),
    "zlib bomb behind a length": ("header_syntax", lambda: blob(zlib.compress(bytes(1 << 24)))),
    "numpy file": ("header_size", b"\x93NUMPY\x01\x00" + bytes(64)),
    "zeros": ("header_syntax", bytes(4096)),
    # syntax
    "a list": ("header_syntax", blob(b"[]")),
    "spaces first": ("header_syntax", blob(" " + json.dumps(header()))),
    "byte order mark": ("header_syntax", blob(b"\xef\xbb\xbf" + json.dumps(header()).encode())),
    "UTF-16": ("header_syntax", blob(json.dumps(header()).encode("utf-16-le"))),
    "bad UTF-8": ("header_syntax", blob(b'{"\xff":1}')),
    "overlong UTF-8": ("header_syntax", blob(b'{"\xc0\xaf":1}')),
    "unfinished": ("header_syntax", blob(b'{"bias":')),
    "two objects": ("header_syntax", blob(b"{}{}")),
    "zeros behind the header": ("header_syntax", blob(json.dumps(header()) + "\0\0")),
    "control character": ("header_syntax", blob(b'{"a\x01":1}')),
    "deep lists": ("header_depth", blob(b'{"a":' + b"[" * 60_000)),
    "deep objects": ("header_depth", blob(b'{"a":' * 10_000)),
    "deep and closed": ("header_depth", blob(b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}")),
    "fraction": ("header_number", blob(json.dumps(header(bias=entry(0, 8, [2.0]))))),
    "exponent": ("header_number", blob('{"bias":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}')),
    "NaN as a size": ("header_number", blob('{"bias":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}')),
    "number of 60000 digits": ("header_number", blob('{"bias":' + "9" * 60_000 + "}")),
    # keys
    "tensor twice": (
        "duplicate_key",
        blob(json.dumps(header())[:-1] + ',"bias":' + json.dumps(BIAS) + "}"),
    ),
    "dtype twice": ("duplicate_key", blob('{"bias":{"dtype":"F32","dtype":"F32"}}')),
    "metadata twice": ("duplicate_key", blob('{"__metadata__":{},"__metadata__":{}}')),
    "metadatum twice": ("duplicate_key", blob('{"__metadata__":{"a":"1","\\u0061":"2"}}')),
    # metadata
    "metadata is a list": ("metadata", with_metadata([])),
    "metadata is null": ("metadata", with_metadata(None)),
    "metadatum is a number": ("metadata", with_metadata({"round": 1})),
    "metadatum is an object": ("metadata", with_metadata({"round": {"a": "b"}})),
    "metadatum too long": ("metadata", with_metadata({"a": "b" * (MAX_METADATA_CHARACTERS + 1)})),
    "metadata key too long": ("metadata", with_metadata({"b" * (MAX_METADATA_CHARACTERS + 1): "a"})),
    "too many metadata": ("metadata", with_metadata({str(i): "" for i in range(MAX_METADATA_ENTRIES + 1)})),
    "half a surrogate pair": ("metadata", with_metadata({"a": "\ud800"})),
    # tensors
    "no tensor": ("names", blob({})),
    "tensor missing": ("names", blob({"bias": BIAS}, bytes(8))),
    "tensor too many": ("names", blob(header(extra=entry(32, 32, [0])))),
    "other name": ("names", blob({"Bias": BIAS, "weight": WEIGHT})),
    "look-alike name": ("names", blob({"bi\u0430s": BIAS, "weight": WEIGHT})),
    "path as name": ("names", blob(header(**{"../../bias": BIAS}))),
    "ten thousand empty tensors": ("names", blob({str(i): 0 for i in range(6000)})),
    "entry is null": ("entry", blob(header(bias=None))),
    "entry is a list": ("entry", blob(header(bias=["F32", [2], [0, 8]]))),
    "entry without shape": ("entry", blob(header(bias={"dtype": "F32", "data_offsets": [0, 8]}))),
    "entry with more": ("entry", blob(header(bias=entry(0, 8, [2], compression="zip")))),
    "float64": ("dtype", blob(header(bias=entry(0, 16, [2], "F64")), bytes(40))),
    "float16": ("dtype", blob(header(bias=entry(0, 4, [2], "F16")), bytes(28))),
    "integers of the same width": ("dtype", blob(header(bias=entry(0, 8, [2], "I32")))),
    "dtype in lower case": ("dtype", blob(header(bias=entry(0, 8, [2], "f32")))),
    "dtype is an object": ("dtype", blob(header(bias=entry(0, 8, [2], {})))),
    "transposed": ("shape", blob(header(weight=entry(8, 32, [3, 2])))),
    "flat": ("shape", blob(header(weight=entry(8, 32, [6])))),
    "another dimension": ("shape", blob(header(bias=entry(0, 8, [2, 1])))),
    "larger": ("shape", blob(header(bias=entry(0, 4 << 40, [1 << 40])))),
    "negative sizes": ("shape", blob(header(weight=entry(8, 32, [-2, -3])))),
    "sizes whose product overflows": ("shape", blob(header(bias=entry(0, 8, [2**63, 2**63 + 2])))),
    "size is true": ("shape", blob(header(bias=entry(0, 8, [True])))),
    "shape is a text": ("shape", blob(header(bias=entry(0, 8, "2")))),
    "shape is nested": ("shape", blob(header(bias=entry(0, 8, [[2]])))),
    # offsets
    "one offset": ("offsets", blob(header(bias={**BIAS, "data_offsets": [0]}))),
    "three offsets": ("offsets", blob(header(bias={**BIAS, "data_offsets": [0, 4, 8]}))),
    "offset is a text": ("offsets", blob(header(bias={**BIAS, "data_offsets": ["0", "8"]}))),
    "offset is false": ("offsets", blob(header(bias={**BIAS, "data_offsets": [False, 8]}))),
    "negative offset": ("offsets", blob(header(bias=entry(-8, 0, [2])))),
    "end before begin": ("offsets", blob(header(bias=entry(8, 0, [2])))),
    "range too short": ("offsets", blob(header(bias=entry(0, 4, [2])))),
    "range too long": ("offsets", blob(header(bias=entry(0, 32, [2])))),
    "both tensors on the same bytes": ("overlap", blob(header(weight=entry(0, 24, [2, 3])))),
    "overlap by one number": ("overlap", blob(header(weight=entry(4, 28, [2, 3])))),
    "gap in the middle": ("gap", blob(header(weight=entry(12, 36, [2, 3])), bytes(36))),
    "gap at the start": (
        "gap",
        blob({"bias": entry(4, 12, [2]), "weight": entry(12, 36, [2, 3])}, bytes(36)),
    ),
    "beyond the end": ("gap", blob(header(weight=entry(1 << 62, (1 << 62) + 24, [2, 3])))),
    # values
    "NaN": ("non_finite", with_value(3, float("nan"))),
    "infinity": ("non_finite", with_value(0, float("inf"))),
    "minus infinity": ("non_finite", with_value(7, float("-inf"))),
    "signalling NaN": ("non_finite", with_bits(5, 0x7F800001)),
    "negative NaN with a payload": ("non_finite", with_bits(2, 0xFFC12345)),
    "infinities that cancel": (
        "non_finite",
        blob(header(), np.array([0, 0, np.inf, -np.inf, 0, 0, 0, 0], dtype="<f4").tobytes()),
    ),
    "only NaN": ("non_finite", blob(header(), np.full(8, np.nan, dtype="<f4").tobytes())),
}


def test_the_blob_that_the_corpus_varies_is_valid():
    assert decode(blob(header()), SCHEMA)[0].vector.tolist() == VALUES.tolist()
    assert decode(VALID, SCHEMA)[1] == {"round": "1"}


def test_every_reason_has_its_case():
    # what a codec packs has its own (test_codecs.py)
    assert {reason for reason, _ in CORPUS.values()} == set(get_args(MalformedReason)) - {"packed"}


@pytest.mark.parametrize("name", CORPUS)
def test_is_refused_for_its_reason(name: str):
    reason, made = CORPUS[name]
    data = made() if callable(made) else made
    tracemalloc.start()
    try:
        with pytest.raises(MalformedUpdate) as caught:
            decode(data, SCHEMA)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason == reason
    message = str(caught.value)
    assert message.endswith(".")
    assert len(message) < 300
    assert peak < 4 << 20


@pytest.mark.parametrize("place", [0, 1_000_000, 2_097_151])
def test_one_nan_in_a_large_update_is_found_without_a_copy_of_it(place: int):
    schema = Schema((TensorSpec("weight", (2_097_152,)),))
    values = np.ones(schema.size, dtype=np.float32)
    values[place] = np.nan
    data = encode(Weights(schema, values), {})
    tracemalloc.start()
    try:
        with pytest.raises(MalformedUpdate, match="'weight'"):
            decode(data, schema)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The vector that a good update would fill, and little beside it.
    assert peak < 4 * schema.size + (1 << 20)


def test_a_message_does_not_carry_what_a_stranger_wrote_at_length():
    with pytest.raises(MalformedUpdate) as caught:
        decode(blob(header(bias=entry(0, 8, [2], "X" * 30_000))), SCHEMA)
    assert len(str(caught.value)) < 200
