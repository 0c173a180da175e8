# SPDX-License-Identifier: Apache-2.0
"""Our dataclasses as JSON values and back, by their type hints, without loss.

Bytes are hexadecimal, content ids a pair of digest and size, mappings lists of pairs, in their order.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import hashlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from immutables import Map

from bcfl.contracts.ids import ContentId

__all__ = ("decode", "decoded_fields", "encode", "form_of")


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


def form_of(kinds: Iterable[type], *more: str) -> str:
    """A digest of what these dataclasses consist of, and of whatever else the reader has to know: another version may know more."""
    stated = [
        f"{kind.__name__}.{field.name}:{field.type}" for kind in kinds for field in dataclasses.fields(kind)
    ]
    return hashlib.sha256("\n".join([*more, *stated]).encode()).hexdigest()[:16]


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def decode(kind: Any, value: Any) -> Any:  # noqa: ANN401 - a switch over types
    """The inverse of ``encode``, for a value of that type.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: it is not one.
    """
    return _decoder(kind)(value)


def decoded_fields(kind: type, value: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Some fields of a dataclass, by name, from what ``encode`` made of them.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: as ``decode``.
    """
    hints = _hints(kind)
    return {name: decode(hints[name], value[name]) for name in names}


@functools.cache
def _decoder(kind: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - a switch over types
    """How a value of that type is read: found out once, since there are thousands of each."""
    if kind is ContentId:
        return lambda value: ContentId(bytes.fromhex(value[0]), _checked(int, value[1]))
    if isinstance(kind, typing.NewType):
        return _decoder(kind.__supertype__)
    if isinstance(kind, type) and issubclass(kind, enum.IntEnum):
        return lambda value: kind(_checked(int, value))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _of_dataclass(kind)
    if kind is bytes:
        return bytes.fromhex
    if kind in {int, str, bool}:
        return functools.partial(_checked, kind)
    return _of_parts(typing.get_origin(kind), typing.get_args(kind))


def _of_dataclass(kind: type) -> Callable[[Any], Any]:
    hints = _hints(kind)
    parts: list[tuple[str, Callable[[Any], Any]]] = []

    def read(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of that type
        if not parts:  # not before: a type may have itself in it
            parts.extend((field.name, _decoder(hints[field.name])) for field in dataclasses.fields(kind))
        return kind(**{name: part(value[name]) for name, part in parts})

    return read


def _of_parts(origin: Any, parts: tuple[Any, ...]) -> Callable[[Any], Any]:  # noqa: ANN401 - of a generic type
    if origin is tuple and len(parts) == 2 and parts[1] is Ellipsis:
        one = _decoder(parts[0])
        return lambda value: tuple([one(item) for item in value])
    if origin is tuple:
        several = [_decoder(part) for part in parts]
        return lambda value: tuple([part(item) for part, item in zip(several, value, strict=True)])
    if origin is frozenset:
        one = _decoder(parts[0])
        return lambda value: frozenset([one(item) for item in value])
    if origin in {collections.abc.Mapping, Map}:
        key, item = map(_decoder, parts)
        made = Map if origin is Map else dict
        return lambda value: made([(key(name), item(one)) for name, one in value])
    if origin in {typing.Union, types.UnionType}:
        inner = _decoder(next(part for part in parts if part is not type(None)))
        return lambda value: None if value is None else inner(value)
    return lambda value: value


def _checked(kind: type, value: Any) -> Any:  # noqa: ANN401 - of that type
    if type(value) is not kind:  # true is not 1 here
        raise TypeError(f"{value!r} is no {kind.__name__}.")
    return value
