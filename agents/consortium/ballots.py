# SPDX-License-Identifier: Apache-2.0
"""Whom a consortium's member wants to let in or to send away: its operator's word, carried to the contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bcfl.agents.runtime.actions import Transact
from bcfl.contracts import calls
from bcfl.contracts.consortium_state import ConsortiumState, Proposal
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.phases import Phase

__all__ = ("Ballot", "decide_ballots")

_PASSING_GAS = 150_000
"""Whose vote decides also lets in or sends away. What is not used is not paid."""


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """From round ``since`` on, the member is for letting ``account`` in (``admit``) or for sending it away.

    Who ``proposes`` brings it before the others, who only vote.
    """

    account: Address
    admit: bool
    since: int = 1
    proposes: bool = False


def decide_ballots(
    state: ConsortiumState, index: TrainerIndex, ballots: Sequence[Ballot]
) -> Iterator[Transact]:
    """The votes that a member wants to give now."""
    if state.phase >= Phase.CLOSING:
        return
    for ballot in ballots:
        if state.round < ballot.since or _is_done(state, ballot):
            continue
        verb = "admit" if ballot.admit else "expel"
        open_one = _open_proposal(state, ballot)
        if open_one is None:
            if ballot.proposes:
                call = calls.propose(state.address, account=ballot.account, admit=ballot.admit)
                yield Transact(round=state.round, name=f"propose:{verb}:{ballot.account}", call=call)
            continue
        number, proposal = open_one
        if index not in proposal.votes:
            call = calls.vote(state.address, proposal=number)
            yield Transact(round=state.round, name=f"vote:{number}", call=call, spare_gas=_PASSING_GAS)


def _is_done(state: ConsortiumState, ballot: Ballot) -> bool:
    return (ballot.account in state.allowed) is ballot.admit


def _open_proposal(state: ConsortiumState, ballot: Ballot) -> tuple[int, Proposal] | None:
    return next(
        (
            (number, proposal)
            for number, proposal in sorted(state.proposals.items())
            if proposal.account == ballot.account and proposal.admit is ballot.admit and not proposal.passed
        ),
        None,
    )
