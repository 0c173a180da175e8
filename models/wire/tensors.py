# SPDX-License-Identifier: Apache-2.0
"""Weights as safetensors bytes, and hostile bytes back to weights.

The format (huggingface/safetensors, ``README.md``, "Format"): 8 bytes of header length, little-endian; a JSON header
``{"name": {"dtype", "shape", "data_offsets"}, …, "__metadata__": {str: str}}`` that may end in spaces; the tensors,
little-endian, without gaps. Nothing is compressed and nothing is ever unpickled.

``decode`` takes a file only if its tensors are exactly those of the expected schema, float32, each with its own bytes and
no byte left over. Every value must be finite: one NaN in one update makes most aggregation rules return NaN or choose
it. Denormals and negative zeros are finite and stay bit for bit: flushing them would change the model that a digest
names, and in float64, where aggregation happens, every float32 denormal is a normal number.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import MalformedReason, MalformedUpdate
from bcfl.models.weights import Schema, Weights

__all__ = (
    "MAX_METADATA_CHARACTERS",
    "MAX_METADATA_ENTRIES",
    "METADATA",
    "all_finite",
    "check_metadata",
    "decode",
    "encode",
    "framed",
    "read_header",
)

MAX_METADATA_ENTRIES = 64
MAX_METADATA_CHARACTERS = 4096
"""In one key or value."""

_LENGTH_BYTES = 8
METADATA = "__metadata__"
"""The key of the metadata in a header."""
_DTYPE = "F32"
_FIELDS = frozenset(("dtype", "shape", "data_offsets"))
_MAX_DIGITS = 19  # a 64-bit number
_MAX_DEPTH = 16  # a header has three levels: itself, an entry, its shape
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


def encode(weights: Weights, metadata: Mapping[str, str]) -> bytes:
    """Weights as safetensors bytes: the same weights and metadata always give the same bytes.

    Tensors stand in the order of their names and the header is padded to 8 bytes, as the ``safetensors`` package does;
    metadata keys are sorted, which that package leaves to chance. Values are not checked: what is sent is the sender's affair.
    """
    header: dict[str, object] = {}
    if metadata:
        header[METADATA] = dict(sorted(metadata.items()))
    parts: list[npt.NDArray[np.float32]] = []
    offset = 0
    for name, tensor in sorted(weights.tensors().items()):
        end = offset + 4 * tensor.size
        header[name] = {"dtype": _DTYPE, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        parts.append(tensor.astype("<f4", copy=False))
        offset = end
    return framed(header, *(part.data for part in parts))


def framed(header: Mapping[str, object], *parts: bytes | memoryview) -> bytes:
    """A safetensors file of that header and those bytes; the header is padded to 8 bytes, as the ``safetensors`` package does."""
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((struct.pack("<Q", len(text)), text, *parts))


def decode(data: bytes, schema: Schema, *, max_header: int = 65536) -> tuple[Weights, dict[str, str]]:
    """Parse bytes that anybody may have made.

    Beside the result, memory is bounded by a small multiple of ``max_header``; nothing is allocated for the tensors before
    header and length are known to fit the schema.

    Args:
        data: the bytes; their length was capped when they were fetched.
        schema: the tensors expected, no more and no fewer.
        max_header: the longest JSON header accepted, in bytes.

    Returns:
        The weights, in a vector of their own, and the metadata.

    Raises:
        MalformedUpdate: with the reason; see there.
    """
    header, start = read_header(data, max_header)
    metadata = check_metadata(header.pop(METADATA, {}))
    offsets = _check_tensors(header, schema, body=len(data) - start)
    vector = np.empty(schema.size, dtype=np.float32)
    position = 0
    for tensor in schema.tensors:
        values = np.frombuffer(data, dtype="<f4", count=tensor.size, offset=start + offsets[tensor.name])
        if not all_finite(values):
            _reject("non_finite", f"Tensor '{tensor.name}' has values that are not finite numbers.")
        vector[position : position + tensor.size] = values
        position += tensor.size
    return Weights(schema, vector), metadata


def read_header(data: bytes, max_header: int) -> tuple[dict[str, Any], int]:
    """The parsed header and where the tensors begin.

    Raises:
        MalformedUpdate: with the reason.
    """
    if len(data) < _LENGTH_BYTES:
        _reject("truncated", f"The update has {len(data)} bytes: too few for the length of a header.")
    (length,) = struct.unpack_from("<Q", data)
    if length > max_header:
        _reject(
            "header_size",
            f"The update declares a header of {length} bytes; at most {max_header} are accepted.",
        )
    if length > len(data) - _LENGTH_BYTES:
        _reject("truncated", f"The update ends inside its header of {length} bytes.")
    start = _LENGTH_BYTES + length
    raw = data[_LENGTH_BYTES:start]
    if not raw.startswith(b"{"):
        _reject("header_syntax", "The header of the update does not begin with '{'.")
    if _depth(raw) > _MAX_DEPTH:
        _reject("header_depth", "The header of the update is nested too deeply.")
    try:
        header = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_int=_bounded_integer,
            parse_float=_no_such_number,
            parse_constant=_no_such_number,
        )
    except ValueError:  # bad UTF-8 or bad JSON
        _reject("header_syntax", "The header of the update is not JSON in UTF-8.")
    return header, start


def _depth(raw: bytes) -> int:
    """How deeply brackets nest outside of strings; counted before parsing, whose own limit a process may raise."""
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        _reject("duplicate_key", "The header of the update names something twice.")
    return result


def _bounded_integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        _reject("header_number", f"The header of the update has a number of {len(digits)} digits.")
    return int(digits)


def _no_such_number(text: str) -> NoReturn:
    _reject("header_number", f"The header of the update has the number {text[:40]}, which is not an integer.")


def check_metadata(metadata: object) -> dict[str, str]:
    """A bounded map of texts to texts.

    Raises:
        MalformedUpdate: it is none.
    """
    if not isinstance(metadata, dict):
        _reject("metadata", "The metadata of the update is not an object.")
    if len(metadata) > MAX_METADATA_ENTRIES:
        _reject(
            "metadata",
            f"The update has {len(metadata)} metadata; at most {MAX_METADATA_ENTRIES} are accepted.",
        )
    for text in (part for pair in metadata.items() for part in pair):
        if not isinstance(text, str):
            _reject("metadata", "A metadatum of the update is not a text.")
        if len(text) > MAX_METADATA_CHARACTERS:
            _reject(
                "metadata", f"A metadatum of the update is longer than {MAX_METADATA_CHARACTERS} characters."
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            _reject("metadata", "A metadatum of the update has half a surrogate pair, which is no character.")
    return metadata


def _check_tensors(header: Mapping[str, Any], schema: Schema, *, body: int) -> dict[str, int]:
    """Where each tensor begins in the body; together they are the schema's and fill it exactly."""
    expected = {tensor.name: tensor for tensor in schema.tensors}
    if header.keys() != expected.keys():
        missing, extra = len(expected.keys() - header.keys()), len(header.keys() - expected.keys())
        _reject(
            "names", f"The update lacks {missing} tensors of the schema and has {extra} that are not in it."
        )
    ranges: list[tuple[int, int]] = []
    offsets: dict[str, int] = {}
    for name, tensor in expected.items():
        entry = header[name]
        if not isinstance(entry, dict) or entry.keys() != _FIELDS:
            _reject("entry", f"The header's entry of tensor '{name}' is not dtype, shape and data_offsets.")
        if entry["dtype"] != _DTYPE:
            _reject("dtype", f"Tensor '{name}' has not dtype {_DTYPE}.")
        if not _integers(entry["shape"]) or tuple(entry["shape"]) != tensor.shape:
            _reject("shape", f"Tensor '{name}' has not the shape {list(tensor.shape)}.")
        if not _integers(entry["data_offsets"]) or len(entry["data_offsets"]) != 2:
            _reject("offsets", f"The data_offsets of tensor '{name}' are not two integers.")
        begin, end = entry["data_offsets"]
        if begin < 0 or end - begin != 4 * tensor.size:
            _reject("offsets", f"The data_offsets of tensor '{name}' do not hold {tensor.size} numbers.")
        ranges.append((begin, end))
        offsets[name] = begin
    _check_cover(sorted(ranges), body)
    return offsets


def _check_cover(ranges: list[tuple[int, int]], body: int) -> None:
    """Every byte of the body belongs to one tensor."""
    reached = 0
    for begin, end in ranges:
        if begin < reached:
            _reject("overlap", "Two tensors of the update share bytes.")
        if begin > reached:
            _reject("gap", "Bytes of the update belong to no tensor.")
        reached = end
    if reached > body:
        _reject("truncated", f"The update has {body} bytes of tensors; its header declares {reached}.")
    if reached < body:
        _reject("trailing", f"The update goes on for {body - reached} bytes after its last tensor.")


def _integers(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)  # True is an int too


def all_finite(values: npt.NDArray[np.float32]) -> bool:
    """Whether no value is NaN or infinite, without a temporary as long as the values.

    float32 cannot overflow a float64 sum, and neither NaN nor an infinity can leave one.
    """
    with np.errstate(invalid="ignore"):
        return math.isfinite(float(np.sum(values, dtype=np.float64)))


def _reject(reason: MalformedReason, message: str) -> NoReturn:
    raise MalformedUpdate(message, reason=reason)
