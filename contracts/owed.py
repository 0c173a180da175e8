# SPDX-License-Identifier: Apache-2.0
"""Whether a task that has ended still owes somebody something."""

from __future__ import annotations

from bcfl.contracts.crowd_state import EvaluatorState, evaluators_of
from bcfl.contracts.ids import Address
from bcfl.contracts.state import MemberState, TaskState

__all__ = ("owes_nobody", "owes_nothing")


def owes_nobody(state: TaskState) -> bool:
    """Whether it has ended, and everybody has what is theirs."""
    return (
        state.ended
        and state.returned is not None
        and all(map(_has_all, state.members.values()))
        and all(map(_has_bond, evaluators_of(state)))
    )


def owes_nothing(state: TaskState, account: Address) -> bool:
    """Whether it has ended, and that account has what is its; a publisher is owed what is left, everybody a share of an accused
    evaluator's bond.
    """
    return (
        state.ended
        and (state.publisher != account or state.returned is not None)
        and all(_has_all(member) for member in state.members.values() if member.account == account)
        and all(
            _has_bond(one)
            for one in evaluators_of(state)
            if account == one.account or one.accused_in is not None
        )
    )


def _has_all(member: MemberState) -> bool:
    return member.withdrawn >= member.earned and not member.stake and not member.bond


def _has_bond(evaluator: EvaluatorState) -> bool:
    return not evaluator.bond or evaluator.returned
