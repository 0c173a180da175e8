# SPDX-License-Identifier: Apache-2.0
"""What the events of a ``ConsortiumTask`` alone do to its state: members' scores, their settlement, their votes."""

from __future__ import annotations

import dataclasses
from typing import Any

from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.draft import Draft, Handler
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import Proposal

__all__ = ("HANDLERS",)


def _scores_committed(draft: Draft, event: e.ScoresCommitted) -> None:
    draft.record(event.round)["score_commitments"][event.index] = event.commitment


def _scores_revealed(draft: Draft, event: e.ScoresRevealed) -> None:
    record = draft.record(event.round)
    targets = [index for index in _targets(record) if index != event.index]
    if len(event.scores) != len(targets):
        raise MalformedLog(
            f"Member {event.index} has {len(event.scores)} scores for {len(targets)} others in round {event.round}."
        )
    record["vectors"][event.index] = dict(zip(targets, event.scores, strict=True))
    record["probes"][event.index] = event.probe


def _settled(draft: Draft, event: e.ScoresSettled) -> None:
    record = draft.record(event.round)
    judges = sorted(record["vectors"])
    if draft.get("phase") is Phase.SCORE_REVEAL:  # before, nobody could open anything
        closed = set(record["score_commitments"]) - set(judges)
        record["forfeiters"] = tuple(sorted(closed))
    config = draft.base.config
    total = min(config.round_budget + draft.get("bonus"), draft.get("escrow"))
    if event.scores:
        revealed = sorted(record["updates"])
        if (len(event.scores), len(event.pays)) != (len(revealed), len(judges)):
            raise MalformedLog(
                f"Round {event.round} settles {len(event.scores)} scores and {len(event.pays)} vectors, not "
                f"{len(revealed)} and {len(judges)}."
            )
        record["scores"] = dict(zip(revealed, event.scores, strict=True))
        record["evaluation_pay"] = dict(zip(judges, event.pays, strict=True))
        shares = dict(zip(revealed, settlement.credit(event.scores, total), strict=True))
        shared = any(event.scores)
    else:
        owners = _targets(record)
        shares = dict(zip(owners, settlement.equal_split(total, len(owners)), strict=True))
        shared = bool(owners)
    record["credits"] = settlement.withheld(shares, record["forfeiters"])
    record["payout"] = event.payout
    record["settled"] = True
    draft.earn(record["credits"])
    draft.earn(record["evaluation_pay"])
    draft.changes["escrow"] = draft.get("escrow") - event.payout - event.evaluation_payout
    if shared:
        draft.changes["bonus"] = 0  # also where forfeiters' parts of it stay in the escrow


def _targets(record: dict[str, Any]) -> list[TrainerIndex]:
    return sorted(index for index, update in record["updates"].items() if update.owned)


def _finalized(draft: Draft, event: e.RoundFinalized) -> None:
    record = draft.record(event.round)
    record["model"] = event.model
    if draft.base.config.unique_digests and record["settled"]:
        draft.owners[event.model.digest] = (event.round, 0, None)
    draft.changes["model"] = event.model


def _voted_for_model(draft: Draft, event: e.ModelSubmitted) -> None:
    draft.record(event.round)["model_votes"][draft.index_of[event.account]] = event.model


def _bond_slashed(draft: Draft, event: e.BondSlashed) -> None:
    draft.member(event.index, bond=0)
    draft.slash(event.amount)


def _bond_returned(draft: Draft, event: e.BondReturned) -> None:
    draft.member(TrainerIndex(event.evaluator), bond=0)


def _proposed(draft: Draft, event: e.MemberProposed) -> None:
    draft.proposals[event.proposal] = Proposal(account=event.account, admit=event.admit)


def _voted(draft: Draft, event: e.MemberVoted) -> None:
    before = draft.proposals[event.proposal]
    after = dataclasses.replace(before, votes=(*before.votes, event.index), passed=event.passed)
    draft.proposals[event.proposal] = after
    if event.passed:
        allowed, account = draft.get("allowed"), {after.account}
        draft.changes["allowed"] = allowed | account if after.admit else allowed - account


HANDLERS: dict[type[e.Event], Handler] = {
    e.BondReturned: _bond_returned,
    e.BondSlashed: _bond_slashed,
    e.MemberProposed: _proposed,
    e.MemberVoted: _voted,
    e.ModelSubmitted: _voted_for_model,
    e.RoundFinalized: _finalized,
    e.ScoresCommitted: _scores_committed,
    e.ScoresRevealed: _scores_revealed,
    e.ScoresSettled: _settled,
}
"""By event; together with those that every task has in common."""
