# SPDX-License-Identifier: Apache-2.0
"""Do the lines of an event log stand in the order in which a run writes them? Pure.

A run writes what the chain says of a block, then what agents did until the next one. Where a reorganisation took blocks
back, what agents did meanwhile may stand between them, and only the chain's own order is left to check.
"""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.agents.audit.finding import Finding
from bcfl.scenarios.directory.event_log import FILE, EventLog, Line

__all__ = ("line_findings",)


def line_findings(log: EventLog) -> Iterator[Finding]:
    """Each line that stands where it cannot, or at another time than its block has."""
    yield from _beginnings(log)
    if any(line.record["event"] == "retracted" for line in log.lines):
        return
    times: dict[int, int] = {line.record["block"]: line.record["time"] for line in log.kept}
    created = {line.record["block"] for line in log.kept if line.record["event"] == "TaskCreated"}
    last = log.kept[-1].number if log.kept else 0  # processes of their own give their lines when all is over
    before = log.lines[0]
    newest: dict[str, int] = {}
    for line in log.lines:
        block, time, source = line.record["block"], line.record["time"], line.record["source"]
        if times.setdefault(block, time) != time:
            yield _found(line, f"it says block {block} at {time}, other lines have it at {times[block]}")
        elif block < newest.get(source, block):
            yield _found(line, f"it is of block {block}, {source} was at block {newest[source]} before")
        # the events of a task that was just created are read anew, when agents may have acted already
        elif line.event and not before.event and before.record["block"] >= block and block not in created:
            yield _found(line, f"it stands after what was done in block {before.record['block']}")
        elif line.number < last and block < newest.get("chain", block):
            yield _found(line, f"it is of block {block} and stands after block {newest['chain']}")
        newest[source] = block
        before = line


def _beginnings(log: EventLog) -> Iterator[Finding]:
    """A log begins once, with everybody's names."""
    for place, line in enumerate(log.lines):
        if (place == 0) != (line.record["event"] == "run_started"):
            yield _found(line, "a log begins with 'run_started', once")


def _found(line: Line, message: str) -> Finding:
    return Finding(
        round=line.record.get("round", 0),
        subject=line.record["event"],
        message=message,
        where=f"{FILE}, line {line.number}",
    )
