# SPDX-License-Identifier: Apache-2.0
"""What the events of a ``ConsortiumTask`` alone do to its state: members' scores, their settlement, their votes."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState, Proposal
from bcfl.contracts.draft import Draft, Handler
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Phase

__all__ = ("HANDLERS", "ConsortiumDraft")


class ConsortiumDraft(Draft):
    """A consortium's state being changed."""

    round_type = ConsortiumRound
    copied = (*Draft.copied, "proposals")
    base: ConsortiumState

    @cached_property
    def proposals(self) -> dict[int, Proposal]:
        """By number; may be changed."""
        return dict(self.base.proposals)


def _joined(draft: ConsortiumDraft, event: e.TrainerJoined) -> None:
    draft.join(event, bond=draft.base.config.bond)


def _scores_committed(draft: ConsortiumDraft, event: e.ScoresCommitted) -> None:
    draft.record(event.round)["score_commitments"][event.index] = event.commitment


def _scores_revealed(draft: ConsortiumDraft, event: e.ScoresRevealed) -> None:
    record = draft.record(event.round)
    targets = [index for index in _targets(record) if index != event.index]
    if len(event.scores) != len(targets):
        raise MalformedLog(
            f"Member {event.index} has {len(event.scores)} scores for {len(targets)} others in round {event.round}."
        )
    record["vectors"][event.index] = dict(zip(targets, event.scores, strict=True))
    record["probes"][event.index] = event.probe


def _settled(draft: ConsortiumDraft, event: e.ScoresSettled) -> None:
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


def _finalized(draft: ConsortiumDraft, event: e.RoundFinalized) -> None:
    record = draft.record(event.round)
    record["model"] = event.model
    if draft.base.config.unique_digests and record["settled"]:
        draft.owners[event.model.digest] = (event.round, 0, None)
    draft.changes["model"] = event.model


def _voted_for_model(draft: ConsortiumDraft, event: e.ModelSubmitted) -> None:
    draft.record(event.round)["model_votes"][draft.index_of[event.account]] = event.model


def _bond_slashed(draft: ConsortiumDraft, event: e.BondSlashed) -> None:
    draft.member(event.index, bond=0)
    draft.slash(event.amount)


def _bond_returned(draft: ConsortiumDraft, event: e.MemberBondReturned) -> None:
    draft.member(event.index, bond=0)


def _proposed(draft: ConsortiumDraft, event: e.MemberProposed) -> None:
    draft.proposals[event.proposal] = Proposal(account=event.account, admit=event.admit)


def _voted(draft: ConsortiumDraft, event: e.MemberVoted) -> None:
    before = draft.proposals[event.proposal]
    after = dataclasses.replace(before, votes=(*before.votes, event.index), passed=event.passed)
    draft.proposals[event.proposal] = after
    if event.passed:
        allowed, account = draft.get("allowed"), {after.account}
        draft.changes["allowed"] = allowed | account if after.admit else allowed - account


HANDLERS: dict[type[e.Event], Handler] = {
    e.BondSlashed: _bond_slashed,
    e.MemberBondReturned: _bond_returned,
    e.MemberProposed: _proposed,
    e.MemberVoted: _voted,
    e.ModelSubmitted: _voted_for_model,
    e.RoundFinalized: _finalized,
    e.RoundStarted: ConsortiumDraft.begin,
    e.ScoresCommitted: _scores_committed,
    e.ScoresRevealed: _scores_revealed,
    e.ScoresSettled: _settled,
    e.TrainerJoined: _joined,
}
"""By event; together with those that every task has in common."""
