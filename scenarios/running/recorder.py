# SPDX-License-Identifier: Apache-2.0
"""Writes ``events.jsonl`` while a run goes on and tells whoever watches: every chain event, decision and transaction.

What agents did between two blocks is written sorted, so that the log does not depend on which thread was faster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bcfl.agents.common.decisions import DECISIONS
from bcfl.contracts import events as e
from bcfl.contracts.delivery import BlockRef, Delivery, Level, Retracted
from bcfl.contracts.event_codec import event_from_json, event_to_json
from bcfl.contracts.phases import Phase
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.running.progress import AgentChanged, GasUsed, PhaseChanged, RoundDone, RunEvent

__all__ = ("Append", "Recorder")

Append = Callable[[Mapping[str, Any]], None]
"""Takes a record of the event log."""

_ACTIVITIES = {
    "training": "training",
    "trained": "trained",
    "commit": "committed",
    "submit": "revealed",
    "reveal": "revealed",
    "scoring": "scoring",
    "scored": "scored",
    "judging": "scoring",
    "judged": "scored",
    "aggregated": "aggregated",
}


class Recorder:
    """An observer of a process of agents.

    Args:
        append: where the log goes.
        results: folds what is written.
        watch: told of progress.
        at_once: what agents do is written as it comes, for a process that may be killed.
    """

    def __init__(
        self,
        *,
        append: Append,
        results: Results,
        watch: Callable[[RunEvent], None],
        at_once: bool = False,
    ) -> None:
        self._append = append
        self._results = results
        self._watch = watch
        self._at_once = at_once
        self._waiting: list[dict[str, Any]] = []
        self._block: BlockRef | None = None
        self._told: set[int] = set()
        self._known: set[tuple[str, int]] = set()
        self._worked: set[str] = set()
        self._sent: set[str] = set()
        self._until = -1

    def started(self, participants: Mapping[str, Mapping[str, Any]], notes: Sequence[str] = ()) -> None:
        """Name everybody, before anything else, and what the data say of themselves."""
        noted = {"notes": list(notes)} if notes else {}
        self._write({"event": "run_started", "source": "runner", "participants": dict(participants), **noted})

    def take_up(self, records: Iterable[dict[str, Any]], *, until: int) -> None:
        """What the log has from before a kill: it is folded, shown, and not written again.

        Agents that are started again say again what they have said of what they still have before them. What the log has
        of work that they do again is left out, and up to that block also what it has of transactions.
        """
        self._until = until
        for record in records:
            if record["source"] != "chain":
                self._results.take(record)
                (self._worked if record["event"] in DECISIONS else self._sent).add(_content(record))
            elif record["event"] == "retracted":
                self._results.take(record)
            else:
                event = event_from_json(record)
                self._known.add((event.origin.block.hash, event.origin.log_index))
                self._results.take_event(event)
                self._tell(event)

    def retract(self, blocks: Sequence[int]) -> None:
        """The log has events of blocks that have left the chain since."""
        self._write({"event": "retracted", "source": "chain", "blocks": list(blocks)})

    def delivered(self, delivery: Delivery) -> None:
        """Blocks came or went."""
        if isinstance(delivery, Retracted):
            self.flush()
            self.retract([block.number for block in delivery.blocks])
            return
        if delivery.level is not Level.SEEN:
            return
        self.flush()
        self._block = delivery.block
        if delivery.block.number > self._until:
            self._sent.clear()
        for event in delivery.events:
            if (event.origin.block.hash, event.origin.log_index) in self._known:
                continue
            self._append(self._line({"source": "chain", **event_to_json(event)}))
            self._results.take_event(event)
            self._tell(event)

    def decided(
        self, *, agent: str, role: str, name: str, round_number: int, evidence: Mapping[str, Any]
    ) -> None:
        """An agent did or wants something."""
        self._note({"event": name, "source": agent, "role": role, "round": round_number, **_plain(evidence)})
        activity = _ACTIVITIES.get(name)
        if activity is not None:
            loss = evidence.get("loss") if name == "trained" else None
            self._watch(AgentChanged(name=agent, role=role, activity=activity, loss=loss))

    def transacted(
        self, *, agent: str, role: str, name: str, round_number: int, status: str, gas: int, reason: str
    ) -> None:
        """A transaction ended."""
        self._note(
            {
                "event": "transaction",
                "source": agent,
                "role": role,
                "round": round_number,
                "action": name,
                "status": status,
                "gas": gas,
                "reason": reason,
            }
        )
        if gas:
            self._watch(GasUsed(role=role, gas=gas))

    def measured(self, event: str, **found: Any) -> None:  # noqa: ANN401 - JSON values
        """What the runner measured when all was over."""
        self._write({"event": event, "source": "runner", **_plain(found)})

    def take_over(self, records: Iterable[dict[str, Any]]) -> None:
        """Records that an agent's own process has written, as they are."""
        for record in records:
            self._append(record)
            self._results.take(record)

    def _note(self, record: dict[str, Any]) -> None:
        again = self._worked if record["event"] in DECISIONS else self._sent
        if again and _content(record) in again:
            return
        self._waiting.append(record)
        if self._at_once:
            self.flush()

    def flush(self) -> None:
        """Write what agents did since the last block."""
        waiting, self._waiting = self._waiting, []
        for record in sorted(
            waiting, key=lambda r: (r["source"], r["round"], r["event"], r.get("action", ""))
        ):
            self._write(record)

    def _write(self, record: dict[str, Any]) -> None:
        line = self._line(record)
        self._append(line)
        self._results.take(line)

    def _line(self, record: dict[str, Any]) -> dict[str, Any]:
        block = self._block
        return {"block": block.number if block else 0, "time": block.timestamp if block else 0, **record}

    def _tell(self, event: e.Event) -> None:
        match event:
            case e.RoundStarted():
                self._watch(PhaseChanged(round=event.round, phase="training", deadline=event.deadline))
            case e.PhaseStarted():
                self._watch(
                    PhaseChanged(
                        round=event.round, phase=Phase(event.phase).name.lower(), deadline=event.deadline
                    )
                )
            case e.TaskCompleted() | e.TaskCancelled():
                phase = "completed" if isinstance(event, e.TaskCompleted) else "cancelled"
                self._watch(PhaseChanged(round=self._results.last_round, phase=phase))
            case e.RoundFinalized() if event.round not in self._told:
                self._told.add(event.round)
                self._watch(RoundDone(summary=self._results.round(event.round)))


def _content(record: Mapping[str, Any]) -> str:
    """What a record says, whenever it was said."""
    said = {key: value for key, value in record.items() if key not in {"block", "time"}}
    return json.dumps(said, sort_keys=True)


def _plain(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence as JSON values: a loss that is no number becomes null."""
    return {key: _value(value) for key, value in evidence.items()}


def _value(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):
        return None
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    return value
