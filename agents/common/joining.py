# SPDX-License-Identifier: Apache-2.0
"""Joining a task: who somebody is, and what they want who are no member yet."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.agents.common.spare_gas import after_the_round
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts.calls import Permit
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState

__all__ = ("AllowStake", "TrainerIdentity", "join")


@dataclass(frozen=True, kw_only=True)
class TrainerIdentity:
    """Who a trainer is; ``turn`` makes it join when that many are members, None at once.

    Joining in turn gives members the same indices whatever node runs the task.
    """

    name: str
    address: Address
    chain_id: int
    turn: int | None = None


@dataclass(frozen=True, kw_only=True)
class AllowStake(Work[Permit]):
    """Sign a permit for what joining takes: the stake, and in a consortium the bond."""

    task: Address
    token: Address
    amount: int


def join(view: View, state: TaskState, me: TrainerIdentity, results: Results) -> list[Action]:
    """What somebody wants who is no member yet."""
    if view.final is None:
        return []  # a call that arrives before its task, after a reorganisation, would succeed and do nothing
    if state.phase >= Phase.CLOSING or len(state.active_members) >= state.config.capacity:
        return []
    if me.turn is not None and len(state.members) < me.turn:
        return []
    # Who judges in a consortium is bound as an evaluator is.
    deposit = state.config.stake + (state.config.bond if isinstance(state, ConsortiumState) else 0)
    permit, allow = calls.NO_PERMIT, None
    if deposit:
        allow = AllowStake(round=0, task=state.address, token=state.token, amount=deposit)
        if allow not in results:
            return [allow]
        permit = results[allow]
    call = calls.join(state.address, me.address, permit=permit)
    # Whoever fills the task begins its first round.
    return [Transact(round=0, name="join", call=call, spare_gas=after_the_round(state), remade=allow)]
