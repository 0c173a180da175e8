# SPDX-License-Identifier: Apache-2.0
"""The keeper: moves a task on at its deadlines and, once it has ended, has everybody paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bcfl.agents.common.spare_gas import after_the_round
from bcfl.agents.runtime.actions import Action, Results, Transact, View, WakeAt, Work
from bcfl.contracts import calls
from bcfl.contracts.crowd_state import CrowdRound, CrowdState, evaluators_of
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState

__all__ = ("Keeper", "credit_waiting", "decide")

_WITHDRAWALS_GAS = 8_000_000
_WITHDRAWAL_GAS = 40_000
_LONGEST_TURN_S = 120  # of a thousand participants the first hundreds may be away
_UNVESTED_GAS = 7_200  # a place of the ring that credits wait in


def decide(view: View, *, account: Address | None = None, grace_s: int = 0, step_s: int = 0) -> list[Action]:
    """All that a keeper wants now.

    Args:
        view: of the task.
        account: whose pay it cares for; None: everybody's.
        grace_s: how long after a deadline it waits for another keeper.
        step_s: how much longer for each participant that stands before its account, each of whom may keep the task too.
    """
    state = view.seen
    if state is None or state.deadline == 0:
        return []  # the task's own first event is still on its way
    waiting = credit_waiting(view)
    going_on: list[Action] = [] if waiting is None else [waiting]
    if not state.ended:
        due = state.deadline + grace_s + min(step_s * _place(state, account), _LONGEST_TURN_S)
        if view.now < due:
            return [*going_on, WakeAt(due)]
        name = f"advance:{state.phase.name.lower()}:{state.deadline}"
        if state.phase is Phase.REVEAL and _dealt_with(state):
            name += f":{_dealt_with(state)}"  # more unopened commitments than one call deals with
        call = calls.advance(state.address)
        move = Transact(round=state.round, name=name, call=call, spare_gas=after_the_round(state))
        return [*going_on, move]
    final = view.final
    if final is None or not final.ended:
        return going_on
    accused = _accused(final)
    if accused and view.now < final.deadline:
        return [*going_on, WakeAt(final.deadline)]  # a successor may clear it until then
    # Bonds of the accused first: they are part of what members are then paid.
    return (
        going_on
        or [_forfeit_bond(final, place) for place, bond in accused.items() if bond]
        or _settle(final, account)
    )


def credit_waiting(view: View) -> Transact | None:
    """The call that goes on with credits which did not fit the transaction that they come from; anybody may send it."""
    final, seen = view.final, view.seen
    if not isinstance(final, CrowdState) or not isinstance(seen, CrowdState):
        return None  # a consortium's few members are credited at once
    waiting = final.uncredited
    if waiting is None or seen.uncredited is None:
        return None
    record = final.rounds[waiting.round]
    # A bond's shares wait only once the round's own credits are written; they and an equal split go by no scores.
    scores = [] if record.bond_shares else [record.scores[index] for index in sorted(record.scores)]
    return Transact(
        round=final.round,
        name=f"credit:{waiting.round}:{bool(record.bond_shares):d}:{waiting.written}",
        call=calls.credit(final.address, scores=scores),
        spare_gas=100_000,
    )


def _place(state: TaskState, account: Address | None) -> int:
    """How many participants stand before this one: who all moved at once would pay for what only the first can do."""
    judges = [one.account for one in evaluators_of(state)]
    everybody = [*judges, *(state.members[index].account for index in sorted(state.active_members))]
    return everybody.index(account) if account in everybody else 0


def _dealt_with(state: TaskState) -> int:
    """How many unopened commitments of the round the contract has punished."""
    record = state.current
    slashed = sum(
        state.members[index].stake == 0 for index in record.commitments if index not in record.updates
    )
    suspended = len(record.suspended) if isinstance(record, CrowdRound) else 0
    return suspended + (slashed if state.config.stake else 0)


def _accused(state: TaskState) -> dict[int, int]:
    """Bonds of evaluators who would not share them of their own accord, by place."""
    return {n: one.bond or 0 for n, one in enumerate(evaluators_of(state)) if one.accused_in is not None}


def _forfeit_bond(state: TaskState, place: int) -> Action:
    call = calls.withdraw_bond(state.address, evaluator=place)
    return Transact(round=state.round, name=f"forfeit_bond:{place}", call=call)


def _settle(state: TaskState, account: Address | None) -> list[Action]:
    """Pay everybody, or that account, what they are owed."""
    actions: list[Action] = []
    members = {n: one for n, one in state.members.items() if account in {None, one.account}}
    owed = [index for index, member in members.items() if member.earned > member.withdrawn or member.stake]
    owed.sort()
    places = state.config.vesting_rounds + 1 if state.config.vesting_rounds else 0
    at_once = _WITHDRAWALS_GAS // (_WITHDRAWAL_GAS + _UNVESTED_GAS * places)
    for start in range(0, len(owed), at_once):
        chunk = owed[start : start + at_once]
        call = calls.withdraw(state.address, chunk)
        # Named after its members: another chunk is another action.
        actions.append(Transact(round=state.round, name=f"withdraw:{chunk[0]}", call=call))
    for index, member in sorted(members.items()):
        if member.bond:  # a consortium's member may be gone for good
            call = calls.withdraw_member_bond(state.address, index=index)
            actions.append(Transact(round=state.round, name=f"withdraw_bond:{index}", call=call))
    if state.returned is None and account in {None, state.publisher}:
        actions.append(Transact(round=state.round, name="refund", call=calls.refund(state.address)))
    return actions


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """A keeper has no hands beside its transactions; anyone may be one.

    Attributes:
        account: whose pay it cares for; None: everybody's.
        grace_s: how long after a deadline it waits for another keeper.
        step_s: how much longer for each participant that stands before its account.
    """

    name: str
    account: Address | None = None
    grace_s: int = 0
    step_s: int = 0
    role: str = "keeper"

    def decide(self, view: View, results: Results) -> Sequence[Action]:  # noqa: ARG002 - the shell's port
        """All that it wants now."""
        return decide(view, account=self.account, grace_s=self.grace_s, step_s=self.step_s)

    async def perform(self, work: Work[Any]) -> None:
        """Nothing is ever asked of it."""
        raise TypeError(f"A keeper does not know {work!r}.")
