# SPDX-License-Identifier: Apache-2.0
"""What agents say in the event log that they did, beside what the chain says: both are lines of one file. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from bcfl.agents.audit.finding import Finding
from bcfl.contracts import events as e
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState
from bcfl.scenarios.directory.event_log import FILE, EventLog, Line
from bcfl.storage.content_id import cid_text

__all__ = ("decision_findings",)

_Key = tuple[str, int, str]
"""Who, in which round, what."""


def decision_findings(
    log: EventLog, state: TaskState, names: Mapping[Address, str], roles: Mapping[str, str]
) -> Iterator[Finding]:
    """Each event whose agent says something else; agents may have said it anew after a reorganisation, once is enough.

    Args:
        log: all lines.
        state: after them.
        names: of participants, by account.
        roles: theirs, by name.
    """
    said: dict[_Key, list[Line]] = defaultdict(list)
    for line in log.lines:
        if line.event is None and "role" in line.record:
            said[_key(line, "event")].append(line)
    yield from _speakers(said, roles)
    for line in log.kept:
        for account, decision, key, value in _acts(state, line.event):
            decided = said[names.get(account, account), getattr(line.event, "round", 0), decision]
            told = [one for one in decided if key in one.record]
            values = [one.record[key] for one in told]
            if told and value not in values:
                message = f"it says {key} {values[-1]}, the chain (line {line.number}) {value}"
                yield _found(told[-1], message)


def _speakers(said: Mapping[_Key, list[Line]], roles: Mapping[str, str]) -> Iterator[Finding]:
    """Records of nobody, of somebody in another role, and transactions that nobody wanted."""
    for key, lines in said.items():
        for line in lines:
            role = roles.get(line.record["source"])
            if role is None:
                yield _found(line, f"no participant is named {line.record['source']}")
            elif line.record["role"] != role:
                yield _found(line, f"it says {line.record['role']}, {line.record['source']} is {role}")
            elif key[2] == "transaction" and _key(line, "action") not in said:
                yield _found(
                    line, f"{line.record['source']} has not decided on {line.record['action']} before"
                )


def _key(line: Line, name: str) -> _Key:
    return line.record["source"], line.record["round"], line.record[name]


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
        case e.ScoresRevealed() if isinstance(state, ConsortiumState):
            account = state.members[event.index].account
            scores = dict(
                zip(map(str, state.rounds[event.round].vectors[event.index]), event.scores, strict=True)
            )
            yield account, "judged", "scores", scores
            yield account, "judged", "probe", event.probe.hex()
        case e.ModelSubmitted():
            yield event.account, "submit_model", "cid", cid_text(event.model)
        case e.EvaluationSubmitted() if isinstance(state, CrowdState):
            account = state.evaluators[event.evaluator].account
            yield account, "evaluate", "report", cid_text(event.report)


def _found(line: Line, message: str) -> Finding:
    return Finding(
        round=line.record["round"],
        subject=f"{line.record['event']} of {line.record['source']}",
        message=message,
        where=f"{FILE}, line {line.number}",
    )
