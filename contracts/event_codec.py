# SPDX-License-Identifier: Apache-2.0
"""Events as JSON values and back, without loss: what a run directory keeps and audits start from."""

from __future__ import annotations

import typing
from typing import Any

from bcfl.contracts import events
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.json_form import decode, encode

__all__ = ("event_from_json", "event_to_json")


def event_to_json(event: events.Event) -> dict[str, Any]:
    """``{"event": name, "block": …, field: value}``; bytes are hexadecimal, content ids a pair of digest and size."""
    return {"event": type(event).__name__, **encode(event)}


def event_from_json(record: dict[str, Any]) -> events.Event:
    """The inverse of ``event_to_json``; keys that are no field are left out.

    Raises:
        MalformedLog: the record is not an event of ours.
    """
    kind = getattr(events, str(record.get("event")), None)
    if not (isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event):
        raise MalformedLog(f"There is no event named {record.get('event')!r}.")
    try:
        event = decode(kind, record)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MalformedLog(f"A record of {kind.__name__} cannot be read.") from error
    return typing.cast("events.Event", event)
