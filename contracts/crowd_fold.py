# SPDX-License-Identifier: Apache-2.0
"""What the events of a ``CrowdsourcingTask`` alone do to its state: evaluators, their scores and sanctions, objections."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.crowd_state import CrowdRound, CrowdState, EvaluatorState, Uncredited
from bcfl.contracts.draft import Draft, Handler
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.state import UNKNOWN_CONTENT, CommittedEntry, RootedBatch, UpdateRecord

__all__ = ("HANDLERS", "CrowdDraft")


class CrowdDraft(Draft):
    """A crowd's state being changed."""

    round_type = CrowdRound
    base: CrowdState

    @cached_property
    def evaluators(self) -> list[EvaluatorState]:
        """By place; may be changed."""
        return list(self.base.evaluators)

    def finish(self) -> CrowdState:
        """The state after the changes."""
        if "evaluators" in vars(self):
            self.changes["evaluators"] = tuple(self.evaluators)
        return CrowdState.of(super().finish())

    def evaluator(self, place: int, **changes: Any) -> None:  # noqa: ANN401 - fields of EvaluatorState
        """Change an evaluator of the list."""
        self.evaluators[place] = dataclasses.replace(self.evaluators[place], **changes)

    def activate_evaluator(self) -> None:
        """Whoever bonds later waits for the next removal, also one who stands before it in the list."""
        bonded = (n for n, one in enumerate(self.evaluators) if one.bond is not None and not one.removed)
        place = next(bonded, None)
        self.changes["active_evaluator"] = place
        if place is not None:
            self.changes["last_evaluator"] = place


def _round_started(draft: CrowdDraft, event: e.RoundStarted) -> None:
    out = (index for index, member in draft.members.items() if member.suspended)
    draft.begin(event, suspended_before=tuple(out))
    if event.round == 1:
        draft.activate_evaluator()


def _suspended(draft: CrowdDraft, event: e.TrainerSuspended) -> None:
    draft.member(event.index, suspended_until=event.until_round)
    record = draft.record(event.round)
    record["suspended"] = (*record["suspended"], event.index)


def _reinstated(draft: CrowdDraft, event: e.TrainerReinstated) -> None:
    draft.member(event.index, suspended_until=None)


def _root_committed(draft: CrowdDraft, event: e.RootCommitted) -> None:
    """What they committed to is in a list: its entries follow, where it can be had."""
    record = draft.record(event.round)
    record["roots"][event.batch] = RootedBatch(
        root=event.root, listing=event.listing, words=event.words, members=event.members
    )
    for place, index in enumerate(event.members):
        record["commitments"][index] = CommittedEntry(
            commitment=b"",
            position=event.first_position + place,
            batch=event.batch,
            place=place,
            time=event.origin.block.timestamp,
        )


def _root_revealed(draft: CrowdDraft, event: e.RootRevealed) -> None:
    record = draft.record(event.round)
    for index in event.members:
        record["updates"][index] = UpdateRecord(
            content=UNKNOWN_CONTENT,
            position=record["commitments"][index].position,
            time=event.origin.block.timestamp,
        )


def _evaluated(draft: CrowdDraft, event: e.EvaluationSubmitted) -> None:
    record = draft.record(event.round)
    revealed = sorted(record["updates"])
    if len(event.scores) != len(revealed):
        raise MalformedLog(
            f"Round {event.round} has {len(event.scores)} scores for {len(revealed)} revealed updates."
        )
    shares = settlement.credit(event.scores, event.payout)
    record["scores"] = dict(zip(revealed, event.scores, strict=True))
    record["credits"] = dict(zip(revealed, shares, strict=True))
    record["payout"] = event.payout
    record["evaluator"] = event.evaluator
    record["report"] = event.report
    draft.evaluator(event.evaluator, served=True)
    draft.book(record["credits"], event.payout)


def _finalized(draft: CrowdDraft, event: e.RoundFinalized) -> None:
    record = draft.record(event.round)
    record["model"] = event.model
    if event.payout and not record["scores"]:
        # Nobody was left to evaluate: those who revealed a digest of their own share equally.
        owners = sorted(index for index, update in record["updates"].items() if update.owned)
        record["credits"] = dict(zip(owners, settlement.equal_split(event.payout, len(owners)), strict=True))
        record["payout"] = event.payout
        draft.book(record["credits"], event.payout)
    if draft.base.config.unique_digests and record["report"] is not None:
        draft.owners[event.model.digest] = (event.round, 0, None)
    draft.changes["model"] = event.model


def _bonded(draft: CrowdDraft, event: e.EvaluatorBonded) -> None:
    draft.evaluator(event.evaluator, bond=event.bond, validation_commitment=event.validation_commitment)


def _removed(draft: CrowdDraft, event: e.EvaluatorRemoved) -> None:
    bond = (draft.evaluators[event.evaluator].bond or 0) - event.slashed
    draft.evaluator(event.evaluator, removed=True, bond=bond)
    draft.activate_evaluator()
    draft.slash(event.slashed)


def _reverted(draft: CrowdDraft, event: e.EvaluationReverted) -> None:
    record = draft.record(event.round)
    record["reverted"] = True
    # Time for the successor's word, also where the task ends at once; a round that begins has its own.
    deadline = event.origin.block.timestamp + draft.base.config.schedule.closing
    draft.changes |= {"model": record["start_model"], "deadline": deadline}
    if event.accused:
        draft.evaluator(event.evaluator, removed=True, accused_in=event.round)
        draft.activate_evaluator()
    elif event.successor != event.evaluator:
        draft.evaluator(event.evaluator, removed=True)
        draft.activate_evaluator()


def _cleared(draft: CrowdDraft, event: e.EvaluatorCleared) -> None:
    draft.evaluator(event.evaluator, accused_in=None)


def _forfeited(draft: CrowdDraft, event: e.BondForfeited) -> None:
    bond = (draft.evaluators[event.evaluator].bond or 0) - event.amount
    draft.evaluator(event.evaluator, accused_in=None, bond=bond)
    record = draft.record(event.round)
    revealed = sorted(record["updates"])
    shares = settlement.equal_split(event.amount, len(revealed))
    record["bond_shares"] = dict(zip(revealed, shares, strict=True))
    draft.earn(record["bond_shares"])
    draft.changes["slashed"] = draft.get("slashed") + event.amount


def _credits_written(draft: CrowdDraft, event: e.CreditsWritten) -> None:
    waiting = Uncredited(round=event.round, written=event.written) if event.written else None
    draft.changes["uncredited"] = waiting


def _objected(draft: CrowdDraft, event: e.Objected) -> None:
    record = draft.record(event.round)
    record["objections"] = (*record["objections"], event.index)
    if event.blames:
        record["blaming"] = (*record["blaming"], event.index)


def _opened(draft: CrowdDraft, event: e.ValidationOpened) -> None:
    draft.evaluator(event.evaluator, opened=True)


def _bond_returned(draft: CrowdDraft, event: e.BondReturned) -> None:
    draft.evaluator(event.evaluator, returned=True)


HANDLERS: dict[type[e.Event], Handler] = {
    e.BondForfeited: _forfeited,
    e.BondReturned: _bond_returned,
    e.CreditsWritten: _credits_written,
    e.EvaluationReverted: _reverted,
    e.EvaluationSubmitted: _evaluated,
    e.EvaluatorBonded: _bonded,
    e.EvaluatorCleared: _cleared,
    e.EvaluatorRemoved: _removed,
    e.Objected: _objected,
    e.RootCommitted: _root_committed,
    e.RootRevealed: _root_revealed,
    e.RoundFinalized: _finalized,
    e.RoundStarted: _round_started,
    e.TrainerJoined: CrowdDraft.join,
    e.TrainerReinstated: _reinstated,
    e.TrainerSuspended: _suspended,
    e.ValidationOpened: _opened,
}
"""By event; together with those that every task has in common."""
