# SPDX-License-Identifier: Apache-2.0
"""What the events of a ``CrowdsourcingTask`` alone do to its state: evaluators, their scores, objections."""

from __future__ import annotations

from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.draft import Draft, Handler
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.state import Uncredited

__all__ = ("HANDLERS",)


def _evaluated(draft: Draft, event: e.EvaluationSubmitted) -> None:
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


def _finalized(draft: Draft, event: e.RoundFinalized) -> None:
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


def _bonded(draft: Draft, event: e.EvaluatorBonded) -> None:
    draft.evaluator(event.evaluator, bond=event.bond, validation_commitment=event.validation_commitment)


def _removed(draft: Draft, event: e.EvaluatorRemoved) -> None:
    bond = (draft.evaluators[event.evaluator].bond or 0) - event.slashed
    draft.evaluator(event.evaluator, removed=True, bond=bond)
    draft.activate_evaluator()
    draft.slash(event.slashed)


def _reverted(draft: Draft, event: e.EvaluationReverted) -> None:
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


def _cleared(draft: Draft, event: e.EvaluatorCleared) -> None:
    draft.evaluator(event.evaluator, accused_in=None)


def _forfeited(draft: Draft, event: e.BondForfeited) -> None:
    bond = (draft.evaluators[event.evaluator].bond or 0) - event.amount
    draft.evaluator(event.evaluator, accused_in=None, bond=bond)
    record = draft.record(event.round)
    revealed = sorted(record["updates"])
    shares = settlement.equal_split(event.amount, len(revealed))
    record["bond_shares"] = dict(zip(revealed, shares, strict=True))
    draft.earn(record["bond_shares"])
    draft.changes["slashed"] = draft.get("slashed") + event.amount


def _credits_written(draft: Draft, event: e.CreditsWritten) -> None:
    waiting = Uncredited(round=event.round, written=event.written) if event.written else None
    draft.changes["uncredited"] = waiting


def _objected(draft: Draft, event: e.Objected) -> None:
    record = draft.record(event.round)
    record["objections"] = (*record["objections"], event.index)
    if event.blames:
        record["blaming"] = (*record["blaming"], event.index)


def _opened(draft: Draft, event: e.ValidationOpened) -> None:
    draft.evaluator(event.evaluator, opened=True)


def _bond_returned(draft: Draft, event: e.BondReturned) -> None:
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
    e.RoundFinalized: _finalized,
    e.ValidationOpened: _opened,
}
"""By event; together with those that every task has in common."""
