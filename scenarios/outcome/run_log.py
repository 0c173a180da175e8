# SPDX-License-Identifier: Apache-2.0
"""The event log of a run while it is read: its chain events folded, and what agents said, by round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from bcfl.agents.common.decisions import Decision, Misbehaving, fault_in
from bcfl.contracts import events as e
from bcfl.contracts.event_codec import event_from_json
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.state import TaskState
from bcfl.scenarios.errors import RunDirectoryUnreadable

__all__ = ("CLASSES_MEASURED", "GOALS_MEASURED", "MEMBERS_MEASURED", "MODELS_MEASURED", "RunLog")

D = TypeVar("D", bound=Decision)

GOALS_MEASURED = "goals_measured"
"""The runner's record of what data attacks achieved with the final model."""
MODELS_MEASURED = "models_measured"
"""The runner's record of how good each model of a consortium is on samples that no member has."""
MEMBERS_MEASURED = "members_measured"
"""The runner's record of what each member gets from the final model, and would without it."""
CLASSES_MEASURED = "classes_measured"
"""The runner's record of which class the final model takes for which."""
_MEASURED = {
    GOALS_MEASURED: "success",
    MODELS_MEASURED: "models",
    MEMBERS_MEASURED: "members",
    CLASSES_MEASURED: "classes",
}


class RunLog:
    """Takes records of ``events.jsonl`` in their order, and keeps them by round."""

    def __init__(self) -> None:
        self.participants: dict[str, dict[str, Any]] = {}
        self.names: dict[Address, str] = {}
        """Participants by account."""
        self._events: list[e.Event] = []
        self._decisions: dict[int, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        self._gas: dict[int, dict[tuple[str, str], tuple[str, int]]] = defaultdict(dict)
        self.reasons: dict[tuple[Address, int, TrainerIndex], int] = {}
        self.misbehaved: dict[str, int] = {}
        self.measured: dict[str, dict[str, Any]] = {event: {} for event in _MEASURED}
        self.delivered = 0
        self.retracted = 0
        self._state: TaskState | None = None
        self._folded = 0
        self._seen: Callable[[], TaskState | None] = lambda: None

    def take(self, record: dict[str, Any]) -> None:
        """One more record."""
        if record["source"] == "chain":
            self._take_chain(record)
        elif record["event"] == "run_started":
            self.participants = record["participants"]
            self.names = {Address(entry["address"]): name for name, entry in self.participants.items()}
        elif record["event"] == "transaction":
            # Once an action, however often a reorganisation had it included again.
            if record["gas"]:
                used = (record["role"], record["gas"])
                self._gas[record["round"]][record["source"], record["action"]] = used
        elif record["event"] in _MEASURED:
            self.measured[record["event"]] = record[_MEASURED[record["event"]]]
        else:
            if record["event"] == Misbehaving.name:
                name, number = record["source"], record["round"]
                self.misbehaved[name] = min(number, self.misbehaved.get(name, number))
            self._decisions[record["round"]][record["source"], record["event"]] = record

    def _take_chain(self, record: dict[str, Any]) -> None:
        if record["event"] == "retracted":
            gone = set(record["blocks"])
            kept = [event for event in self._events if event.origin.block.number not in gone]
            self.retracted += len(self._events) - len(kept)
            self._events = kept
            self._state = None
            self.reasons = {}
            for event in kept:
                self._note_reason(event)
            return
        self.take_event(event_from_json(record))

    def take_event(self, event: e.Event) -> None:
        """One more event of the chain; a run that is under way has it as it was decoded."""
        self.delivered += 1
        self._events.append(event)
        self._note_reason(event)

    def _note_reason(self, event: e.Event) -> None:
        if isinstance(event, e.TrainerSuspended | e.TrainerEjected):
            self.reasons[event.origin.address, event.round, event.index] = event.reason

    @property
    def created(self) -> e.TaskCreated:
        """How the task began.

        Raises:
            RunDirectoryUnreadable: the log does not say that a task was created.
        """
        # A stranger may use the same factory: ours is our publisher's.
        publishers = {p["address"] for p in self.participants.values() if p["role"] == "publisher"}
        created = next(
            (x for x in self._events if isinstance(x, e.TaskCreated) and x.publisher in publishers), None
        )
        if created is None:
            raise RunDirectoryUnreadable(
                "The event log ends before a task was created: 'bcfl resume' goes on with its run."
            )
        return created

    def follow(self, seen: Callable[[], TaskState | None]) -> None:
        """Ask somebody who folds the same events anyway what the task has come to, as a run that is under way can."""
        self._seen = seen

    @property
    def state(self) -> TaskState:
        """The task after all records.

        Raises:
            RunDirectoryUnreadable: the log does not say that a task was created.
        """
        seen = self._seen()
        if seen is not None:
            return seen
        if self._state is None:
            self._state, self._folded = first_state(self.created), 0
        if self._folded < len(self._events):
            address = self._state.address
            new = (event for event in self._events[self._folded :] if event.origin.address == address)
            self._state, self._folded = fold(self._state, new), len(self._events)
        return self._state

    @property
    def round_now(self) -> int:
        """The newest round; 0 before there is a task, and while it enrols."""
        seen = self._seen()
        return 0 if seen is None else seen.round

    @property
    def task_events(self) -> list[e.Event]:
        """The task's creation and all its events that no reorganisation took back."""
        created = self.created
        return [created, *(event for event in self._events if event.origin.address == created.task)]

    @property
    def last_round(self) -> int:
        """The newest round."""
        return self.state.round

    def told(self, number: int, kind: type[D]) -> dict[str, D]:
        """What agents said of a round in records of that kind, by agent.

        Raises:
            RunDirectoryUnreadable: a record of that kind lacks something.
        """
        decisions = self._decisions.get(number, {})
        return {who: _read(kind, record) for (who, name), record in decisions.items() if name == kind.name}

    def told_in_all(self, kind: type[D]) -> Iterator[tuple[str, int, D]]:
        """Who said something in records of that kind, of which round, and what, round by round.

        Raises:
            RunDirectoryUnreadable: as ``told``.
        """
        for number in sorted(self._decisions):
            yield from ((who, number, said) for who, said in self.told(number, kind).items())

    def gas(self, number: int) -> Iterator[tuple[str, str, int]]:
        """Role, action and gas of each transaction that was meant for a round."""
        for (_, action), (role, used) in self._gas.get(number, {}).items():
            yield role, action, used

    @property
    def total_gas(self) -> int:
        """Of all transactions."""
        return sum(used for of_round in self._gas.values() for _, used in of_round.values())


def _read(kind: type[D], record: dict[str, Any]) -> D:
    try:
        return kind.model_validate(record)
    except ValidationError as error:
        raise RunDirectoryUnreadable(
            f"A record '{kind.name}' of {record['source']} in round {record['round']} of the event log is damaged "
            f"({fault_in(error)}); run the scenario again."
        ) from error
