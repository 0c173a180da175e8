# SPDX-License-Identifier: Apache-2.0
"""What a consortium's contract could not have said in a given state: of members' scores, votes and bonds. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.contracts import events as e
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.ids import TrainerIndex

__all__ = ("consortium_rules",)


def consortium_rules(state: ConsortiumState, event: e.Event) -> Iterator[str]:
    """Why not, beside the rules of every task."""
    match event:
        case e.TrainerJoined() if event.account not in state.allowed:
            yield f"{event.account} was not let in"
        case e.MemberVoted():
            proposal = state.proposals.get(event.proposal)
            if proposal is None or event.index in proposal.votes or not _active(state, event.index):
                yield f"member {event.index} cannot vote on proposal {event.proposal}"
        case e.ScoresCommitted() | e.ScoresRevealed() | e.ScoresSettled():
            yield from _judging(state, event)
        case e.BondSlashed() if event.amount != state.config.bond:
            yield f"{event.amount} is not the bond of {state.config.bond} (10⁻⁹ token)"
        case e.MemberBondReturned():
            member = state.members.get(event.index)
            due = None if member is None else member.bond
            if event.amount != due:
                yield f"{event.amount} was returned where {due or 0} was bound (10⁻⁹ token)"


def _judging(
    state: ConsortiumState, event: e.ScoresCommitted | e.ScoresRevealed | e.ScoresSettled
) -> Iterator[str]:
    record = state.rounds.get(event.round, ConsortiumRound(number=0, start_model=state.model, cohort=()))
    match event:
        case e.ScoresCommitted() if event.index in record.score_commitments or not _active(
            state, event.index
        ):
            yield f"member {event.index} cannot commit scores"
        case e.ScoresRevealed() if (
            event.index in record.vectors or event.index not in record.score_commitments
        ):
            yield f"member {event.index} cannot open scores"
        case e.ScoresSettled() if record.settled:
            yield "the round was settled before"


def _active(state: ConsortiumState, index: TrainerIndex) -> bool:
    return index in state.members and state.members[index].active
