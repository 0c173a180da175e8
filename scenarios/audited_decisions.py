# SPDX-License-Identifier: Apache-2.0
"""What agents say in the event log that they did, beside what the chain says: both are lines of one file. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from bcfl.agents.finding import Finding
from bcfl.contracts import events as e
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState
from bcfl.scenarios.event_log import FILE, EventLog, Line
from bcfl.storage.content_id import cid_text

__all__ = ("decision_findings",)


def decision_findings(log: EventLog, state: TaskState, names: Mapping[Address, str]) -> Iterator[Finding]:
    """Each event whose agent says something else; agents may have said it anew after a reorganisation, once is enough.

    Args:
        log: all lines.
        state: after them.
        names: of participants, by account.
    """
    said: dict[tuple[str, int, str], list[Line]] = defaultdict(list)
    for line in log.lines:
        record = line.record
        if line.event is None and "role" in record:
            said[record["source"], record["round"], record["event"]].append(line)
            if record["source"] not in names.values():
                yield _found(line, f"no participant is named {record['source']}")
    for line in log.kept:
        for account, decision, key, value in _acts(state, line.event):
            decided = said[names.get(account, account), getattr(line.event, "round", 0), decision]
            told = [one for one in decided if key in one.record]
            values = [one.record[key] for one in told]
            if told and value not in values:
                message = f"it says {key} {values[-1]}, the chain (line {line.number}) {value}"
                yield _found(told[-1], message)


def _acts(state: TaskState, event: e.Event | None) -> Iterator[tuple[Address, str, str, Any]]:
    """Who decided what an event says: account, record, its key and the value that it must have."""
    match event:
        case e.TaskCreated() if event.task == state.address:
            contents = [cid_text(event.config.specification), cid_text(event.config.genesis)]
            yield event.publisher, "published", "contents", contents
        case _ if event is None or event.origin.address != state.address:
            return
        case e.UpdatesCommitted():
            for index, hidden in event.entries:
                yield state.members[index].account, "commit", "commitment", hidden.hex()
        case e.UpdateSubmitted():
            yield state.members[event.index].account, "reveal", "cid", cid_text(event.content)
        case e.ScoresCommitted():
            account = state.members[event.index].account
            yield account, "commit_scores", "commitment", event.commitment.hex()
        case e.ScoresRevealed():
            account = state.members[event.index].account
            scores = dict(
                zip(map(str, state.rounds[event.round].vectors[event.index]), event.scores, strict=True)
            )
            yield account, "judged", "scores", scores
            yield account, "judged", "probe", event.probe.hex()
        case e.ModelSubmitted():
            yield event.account, "submit_model", "cid", cid_text(event.model)
        case e.EvaluationSubmitted():
            account = state.evaluators[event.evaluator].account
            yield account, "evaluate", "report", cid_text(event.report)


def _found(line: Line, message: str) -> Finding:
    return Finding(
        round=line.record["round"],
        subject=f"{line.record['event']} of {line.record['source']}",
        message=message,
        where=f"{FILE}, line {line.number}",
    )
