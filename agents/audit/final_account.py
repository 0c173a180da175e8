# SPDX-License-Identifier: Apache-2.0
"""Once a task has ended: did everybody get what they earned, and did all that came in go out?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bcfl.agents.audit.finding import Finding
from bcfl.contracts.crowd_state import evaluators_of
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState

__all__ = ("account_findings", "accounts_checked")


def accounts_checked(state: TaskState) -> int:
    """How many amounts ``account_findings`` compares."""
    return len(state.members) + len(evaluators_of(state)) + 1 if state.ended else 0


def account_findings(state: TaskState, names: Mapping[Address, str]) -> Iterator[Finding]:
    """Every amount that is not what it should be; nothing before the task has ended."""
    if not state.ended:
        return
    for member in state.members.values():
        if member.withdrawn != member.earned:
            yield Finding(
                round=0,
                subject=f"tokens of {names.get(member.account, member.account)}",
                message=f"{member.withdrawn} was paid, {member.earned} earned (10⁻⁹)",
            )
        if member.stake or member.bond:
            yield Finding(
                round=0,
                subject=f"tokens of {names.get(member.account, member.account)}",
                message=f"its stake of {member.stake} and bond of {member.bond} were not returned (10⁻⁹)",
            )
    for place, evaluator in enumerate(evaluators_of(state)):
        if evaluator.bond and not evaluator.returned:
            message = f"its bond of {evaluator.bond} was not returned (10⁻⁹)"
            yield Finding(subject=f"evaluator {place}", message=message)
    paid = sum(member.withdrawn for member in state.members.values())
    # What was slashed or forfeited and came to no budget is nobody's.
    if paid + (state.returned or 0) + state.bonus != state.budget + state.slashed:
        yield Finding(
            round=0,
            subject="tokens",
            message=f"paid {paid} + returned {state.returned} + unclaimed {state.bonus} is not "
            f"budget {state.budget} + slashed {state.slashed} (10⁻⁹)",
        )
