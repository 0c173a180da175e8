# SPDX-License-Identifier: Apache-2.0
"""The pure fold of events into a task's state: used by agents, audit, replay and views alike.

Here is what every task has in common; who scores and how scores settle is in ``crowd_fold`` and ``consortium_fold``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bcfl.contracts import consortium_fold, crowd_fold
from bcfl.contracts import events as e
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.crowd_state import CrowdState, EvaluatorState
from bcfl.contracts.draft import Draft, Handler
from bcfl.contracts.errors import ForeignTask, MalformedLog
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Kind, Phase
from bcfl.contracts.state import CommittedEntry, TaskState, UpdateRecord

__all__ = ("first_state", "fold")

S = TypeVar("S", bound=TaskState)


def first_state(event: e.TaskCreated) -> TaskState:
    """The state right after a factory made the task; the list is of a crowd's evaluators, or of a consortium's founders."""
    if event.kind is Kind.CROWDSOURCING:
        listed = tuple(EvaluatorState(account=account) for account in event.evaluators)
        return CrowdState.created(event, evaluators=listed)
    return ConsortiumState.created(event, allowed=frozenset(event.evaluators))


def fold(state: S, events: Iterable[e.Event]) -> S:
    """The state after these events of the task, in their order.

    Raises:
        ForeignTask: an event comes from another contract.
        MalformedLog: an event cannot follow those before it.
    """
    setting = _SETTINGS[type(state)]
    draft = setting.draft(state)
    for event in events:
        if event.origin.address != state.address:
            raise ForeignTask(
                f"An event of {event.origin.address} cannot be folded into task {state.address}."
            )
        if type(event) in setting.says_nothing:
            continue
        handler = setting.handlers.get(type(event))
        if handler is None:
            raise MalformedLog(
                f"{type(event).__name__} in block {event.origin.block.number} is no event of this kind of task."
            )
        try:
            handler(draft, event)
        except (LookupError, ValueError) as error:  # it names who or what nothing before it has named
            raise MalformedLog(
                f"{type(event).__name__} in block {event.origin.block.number} does not follow from what was said before it."
            ) from error
    return type(state).of(draft.finish())


def _left(draft: Draft, event: e.TrainerLeft) -> None:
    earned = draft.members[event.index].earned - event.forfeited
    draft.member(event.index, active=False, suspended_until=None, stake=0, earned=earned)
    draft.to_next_budget(event.forfeited)
    _leave_cohort(draft, event.index)


def _leave_cohort(draft: Draft, index: TrainerIndex) -> None:
    """Who goes while others train is not waited for, unless it has committed."""
    if draft.get("phase") is Phase.TRAINING:
        record = draft.record(draft.get("round"))
        if index not in record["commitments"] and index not in record["updates"]:
            record["cohort"] = tuple(one for one in record["cohort"] if one != index)


def _ejected(draft: Draft, event: e.TrainerEjected) -> None:
    earned = draft.members[event.index].earned - event.forfeited
    draft.member(event.index, active=False, suspended_until=None, ejected_round=event.round, earned=earned)
    draft.to_next_budget(event.forfeited)
    record = draft.record(event.round)
    record["ejected"] = (*record["ejected"], event.index)
    _leave_cohort(draft, event.index)  # a consortium's members may be expelled at any time


def _slashed(draft: Draft, event: e.StakeSlashed) -> None:
    draft.member(event.index, stake=0)
    draft.slash(event.amount)


def _stake_returned(draft: Draft, event: e.StakeReturned) -> None:
    draft.member(event.index, stake=0)


def _withdrawn(draft: Draft, event: e.RewardWithdrawn) -> None:
    draft.member(event.index, withdrawn=draft.members[event.index].withdrawn + event.amount)


def _phase_started(draft: Draft, event: e.PhaseStarted) -> None:
    draft.changes |= {"phase": event.phase, "deadline": event.deadline}


def _committed(draft: Draft, event: e.UpdatesCommitted) -> None:
    record = draft.record(event.round)
    record["batches"][event.batch] = event.raw
    for place, (index, commitment) in enumerate(event.entries):
        record["commitments"][index] = CommittedEntry(
            commitment=commitment,
            position=event.first_position + place,
            batch=event.batch,
            place=place,
            time=event.origin.block.timestamp,
        )


def _submitted(draft: Draft, event: e.UpdateSubmitted) -> None:
    record = draft.record(event.round)
    owned = True
    digest = event.content.digest
    if draft.base.config.unique_digests:
        owner = draft.owners.get(digest)
        if owner is not None:
            owner_round, owner_position, owner_index = owner
            if owner_index is None or owner_round < event.round or owner_position < event.position:
                owned = False
            else:
                former = record["updates"][owner_index]
                record["updates"][owner_index] = dataclasses.replace(former, owned=False)
        if owned:
            draft.owners[digest] = (event.round, event.position, event.index)
    record["updates"][event.index] = UpdateRecord(
        content=event.content, position=event.position, owned=owned, time=event.origin.block.timestamp
    )


def _cancel_requested(draft: Draft, _event: e.CancelRequested) -> None:
    draft.changes["cancel_requested"] = True


def _completed(draft: Draft, _event: e.TaskCompleted) -> None:
    draft.changes["phase"] = Phase.COMPLETED


def _cancelled(draft: Draft, event: e.TaskCancelled) -> None:
    draft.changes |= {"phase": Phase.CANCELLED, "cancel_reason": event.reason}


def _escrow_returned(draft: Draft, event: e.EscrowReturned) -> None:
    draft.changes |= {
        "returned": (draft.get("returned") or 0) + event.amount,
        "escrow": draft.get("escrow") - event.amount,
    }


_COMMON: dict[type[e.Event], Handler] = {
    e.CancelRequested: _cancel_requested,
    e.EscrowReturned: _escrow_returned,
    e.PhaseStarted: _phase_started,
    e.RewardWithdrawn: _withdrawn,
    e.StakeReturned: _stake_returned,
    e.StakeSlashed: _slashed,
    e.TaskCancelled: _cancelled,
    e.TaskCompleted: _completed,
    e.TrainerEjected: _ejected,
    e.TrainerLeft: _left,
    e.UpdateSubmitted: _submitted,
    e.UpdatesCommitted: _committed,
}


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """How the events of one kind of task are folded."""

    draft: type[Draft]
    handlers: Mapping[type[e.Event], Handler]
    says_nothing: frozenset[type[e.Event]] = frozenset()
    """Events that change nothing of the state."""


_CROWD = _Setting(
    draft=crowd_fold.CrowdDraft,
    handlers=_COMMON | crowd_fold.HANDLERS,
    # The round's model is what it is finalised with, which the same transaction says.
    says_nothing=frozenset({e.ModelSubmitted}),
)
_CONSORTIUM = _Setting(draft=consortium_fold.ConsortiumDraft, handlers=_COMMON | consortium_fold.HANDLERS)
_SETTINGS: Mapping[type[TaskState], _Setting] = {CrowdState: _CROWD, ConsortiumState: _CONSORTIUM}
