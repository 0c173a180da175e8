# SPDX-License-Identifier: Apache-2.0
"""The keeper: moves a task on at its deadlines and, once it has ended, has everybody paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bcfl.agents.actions import Action, Transact, View, WakeAt, Work
from bcfl.contracts import calls
from bcfl.contracts.state import TaskState

__all__ = ("Keeper", "decide")

_WITHDRAWALS = 200  # members in one transaction, about 8M gas


def decide(view: View) -> list[Action]:
    """All that a keeper wants now."""
    state = view.seen
    if state is None or state.deadline == 0:
        return []  # the task's own first event is still on its way
    if not state.ended:
        if view.now < state.deadline:
            return [WakeAt(state.deadline)]
        name = f"advance:{state.phase.name.lower()}:{state.deadline}"
        return [Transact(round=state.round, name=name, call=calls.advance(state.address))]
    final = view.final
    return _settle(final) if final is not None and final.ended else []


def _settle(state: TaskState) -> list[Action]:
    actions: list[Action] = []
    owed = [
        index for index, member in state.members.items() if member.earned > member.withdrawn or member.stake
    ]
    owed.sort()
    for start in range(0, len(owed), _WITHDRAWALS):
        members = owed[start : start + _WITHDRAWALS]
        call = calls.withdraw(state.address, members)
        # Named after its members: another chunk is another action.
        actions.append(Transact(round=state.round, name=f"withdraw:{members[0]}", call=call))
    for index, member in sorted(state.members.items()):
        if member.bond:  # a consortium's member may be gone for good
            call = calls.withdraw_bond(state.address, evaluator=index)
            actions.append(Transact(round=state.round, name=f"withdraw_bond:{index}", call=call))
    if state.returned is None:
        actions.append(Transact(round=state.round, name="refund", call=calls.refund(state.address)))
    return actions


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """A keeper has no hands beside its transactions; anyone may be one."""

    name: str
    role: str = "keeper"

    def decide(self, view: View, results: Mapping[Work, Any]) -> Sequence[Action]:  # noqa: ARG002 - the shell's port
        """All that it wants now."""
        return decide(view)

    async def perform(self, work: Work) -> None:
        """Nothing is ever asked of it."""
        raise TypeError(f"A keeper does not know {work!r}.")
