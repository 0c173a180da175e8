# SPDX-License-Identifier: Apache-2.0
"""Events as JSON values and back, without loss: what a run directory keeps and audits start from."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from typing import Any

from bcfl.contracts import events
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.ids import ContentId

__all__ = ("event_from_json", "event_to_json")


def event_to_json(event: events.Event) -> dict[str, Any]:
    """``{"event": name, "block": …, field: value}``; bytes are hexadecimal, content ids a pair of digest and size."""
    return {"event": type(event).__name__, **_encode_fields(event)}


def event_from_json(record: dict[str, Any]) -> events.Event:
    """The inverse of ``event_to_json``; keys that are no field are left out.

    Raises:
        MalformedLog: the record is not an event of ours.
    """
    kind = getattr(events, str(record.get("event")), None)
    if not (isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event):
        raise MalformedLog(f"There is no event named {record.get('event')!r}.")
    try:
        event = _decode(kind, record)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MalformedLog(f"A record of {kind.__name__} cannot be read.") from error
    return typing.cast("events.Event", event)


def _encode_fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any of our dataclasses
    return {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _encode(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, ContentId):
        return [value.digest.hex(), value.size]
    if dataclasses.is_dataclass(value):
        return _encode_fields(value)
    if isinstance(value, enum.IntEnum):
        return int(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_encode(part) for part in value]
    return value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, value: Any) -> Any:  # noqa: ANN401 - a switch over types
    if kind is ContentId:
        return ContentId(bytes.fromhex(value[0]), _decode(int, value[1]))
    if isinstance(kind, typing.NewType):
        return _decode(kind.__supertype__, value)
    if isinstance(kind, type) and issubclass(kind, enum.IntEnum):
        return kind(_decode(int, value))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(
            **{
                field.name: _decode(hints[field.name], value[field.name])
                for field in dataclasses.fields(kind)
            }
        )
    if kind is bytes:
        return bytes.fromhex(value)
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        if len(parts) == 2 and parts[1] is Ellipsis:
            return tuple(_decode(parts[0], part) for part in value)
        return tuple(_decode(part, item) for part, item in zip(parts, value, strict=True))
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        inner = next(part for part in typing.get_args(kind) if part is not type(None))
        return None if value is None else _decode(inner, value)
    if kind in {int, str, bool} and type(value) is not kind:  # true is not 1 here
        raise TypeError(f"{value!r} is no {kind.__name__}.")
    return value
