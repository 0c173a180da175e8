# SPDX-License-Identifier: Apache-2.0
"""``events.jsonl`` as an audit reads it: every line that can be read, with its number, and a finding for every other one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from bcfl.agents.audit.finding import Finding
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.event_codec import event_from_json, event_to_json
from bcfl.contracts.events import Event
from bcfl.scenarios.directory.record_forms import what_is_wrong
from bcfl.scenarios.errors import RunDirectoryUnreadable

__all__ = ("EventLog", "Line", "read_event_log", "read_lines")

FILE = "events.jsonl"
_ENVELOPE = ("source", "block", "time")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One sound record; ``event`` is what the chain said, None for what agents and the runner did."""

    number: int
    record: dict[str, Any]
    event: Event | None = None


@dataclass(frozen=True, kw_only=True)
class EventLog:
    """The sound lines, in their order, and what is wrong with the others."""

    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]
    _numbers: dict[Event, int] = field(default_factory=dict)

    @property
    def records(self) -> Iterator[dict[str, Any]]:
        """What the tables are folded from."""
        return (line.record for line in self.lines)

    def line_of(self, event: Event) -> int | None:
        """Where an event stands; of equal lines the last, for it is the one too many."""
        return self._numbers.get(event)

    @property
    def kept(self) -> tuple[Line, ...]:
        """Lines of the chain that no reorganisation took back."""
        kept: list[Line] = []
        for line in self.lines:
            if line.event is not None:
                kept.append(line)
            elif line.record["event"] == "retracted":
                gone = set(line.record["blocks"])
                kept = [one for one in kept if one.event and one.event.origin.block.number not in gone]
        return tuple(kept)


def read_event_log(path: Path) -> EventLog:
    """Read all lines.

    Raises:
        RunDirectoryUnreadable: there is no such file, or not one line of it can be read.
    """
    lines: list[Line] = []
    findings: list[Finding] = []
    for number, text in read_lines(path):
        line = _line(number, text)
        if isinstance(line, Line):
            lines.append(line)
        else:
            findings.append(Finding(subject="event log", message=line, where=f"{FILE}, line {number}"))
    if not lines:
        raise RunDirectoryUnreadable(
            f"{path} has no line that can be read; give a directory that 'bcfl run' wrote."
        )
    numbers = {line.event: line.number for line in lines if line.event is not None}
    return EventLog(lines=tuple(lines), findings=tuple(findings), _numbers=numbers)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """A file's lines with their numbers from 1, each with the end that it has.

    Raises:
        RunDirectoryUnreadable: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from enumerate(file, start=1)
    except OSError as error:
        raise RunDirectoryUnreadable(
            f"{path} cannot be read ({error.strerror}); give a directory that 'bcfl run' wrote."
        ) from error


def _line(number: int, text: bytes) -> Line | str:
    """The line, or what is wrong with it."""
    if not text.endswith(b"\n"):
        return "it was cut off"
    try:
        record = from_json(text, allow_inf_nan=False)
    except ValueError:
        return "it is not JSON"
    wrong = what_is_wrong(record)
    if wrong is not None:
        return wrong
    if record["source"] != "chain" or record["event"] == "retracted":
        return Line(number=number, record=record)
    try:
        event = event_from_json(record)
    except MalformedLog as error:
        return str(error)
    block = event.origin.block
    if {**event_to_json(event), **{key: record[key] for key in _ENVELOPE}} != record:
        return f"it is not written as a {record['event']} is"
    if (record["block"], record["time"]) != (block.number, block.timestamp):
        return f"it says block {record['block']} at {record['time']}, its origin block {block.number} at {block.timestamp}"
    return Line(number=number, record=record, event=event)
