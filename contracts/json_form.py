# SPDX-License-Identifier: Apache-2.0
"""Our dataclasses as JSON values and back, by their type hints, without loss.

Bytes are hexadecimal, content ids a pair of digest and size, mappings lists of pairs, in their order.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import types
import typing
from typing import Any

from immutables import Map

from bcfl.contracts.ids import ContentId

__all__ = ("decode", "encode")


def encode(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """As JSON values."""
    if isinstance(value, ContentId):
        return [value.digest.hex(), value.size]
    if dataclasses.is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.IntEnum):
        return int(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, collections.abc.Mapping):
        return [[encode(key), encode(item)] for key, item in value.items()]
    if isinstance(value, frozenset):
        return sorted(map(encode, value))
    if isinstance(value, tuple):
        return [encode(part) for part in value]
    return value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def decode(kind: Any, value: Any) -> Any:  # noqa: ANN401 - a switch over types
    """The inverse of ``encode``, for a value of that type.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: it is not one.
    """
    if kind is ContentId:
        return ContentId(bytes.fromhex(value[0]), decode(int, value[1]))
    if isinstance(kind, typing.NewType):
        return decode(kind.__supertype__, value)
    if isinstance(kind, type) and issubclass(kind, enum.IntEnum):
        return kind(decode(int, value))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(
            **{field.name: decode(hints[field.name], value[field.name]) for field in dataclasses.fields(kind)}
        )
    if kind is bytes:
        return bytes.fromhex(value)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if len(parts) == 2 and parts[1] is Ellipsis:
            return tuple(decode(parts[0], part) for part in value)
        return tuple(decode(part, item) for part, item in zip(parts, value, strict=True))
    if origin is frozenset:
        return frozenset(decode(parts[0], part) for part in value)
    if origin in {collections.abc.Mapping, Map}:
        pairs = {decode(parts[0], key): decode(parts[1], item) for key, item in value}
        return Map(pairs) if origin is Map else pairs
    if origin in {typing.Union, types.UnionType}:
        inner = next(part for part in parts if part is not type(None))
        return None if value is None else decode(inner, value)
    if kind in {int, str, bool} and type(value) is not kind:  # true is not 1 here
        raise TypeError(f"{value!r} is no {kind.__name__}.")
    return value
