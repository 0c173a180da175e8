# SPDX-License-Identifier: Apache-2.0
"""What a task's events alone say, one by one: nothing is fetched and nothing is computed but the task's state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bcfl.agents.audit.chain_rules import rule_findings
from bcfl.agents.audit.finding import Finding
from bcfl.contracts import events as e
from bcfl.contracts.errors import WrongKind
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.state import TaskState
from bcfl.errors import ContractError

__all__ = ("Followed", "LogChecks", "follow")

S = TypeVar("S", bound=TaskState)
Checked = TypeVar("Checked", bound=TaskState, contravariant=True)


class LogChecks(Protocol[Checked]):
    """What one kind of task adds to the rules that all contracts have; it may remember what it has seen."""

    def before(self, state: Checked, event: e.Event) -> Iterable[Finding]:
        """What an event says, beside the state that it meets; a ``LookupError`` where it names what nobody knows."""
        ...

    def after(self, state: Checked, event: e.Event) -> Iterable[Finding]:
        """The state that an event has made."""
        ...

    def end(self, state: Checked) -> Iterable[Finding]:
        """The state after all events."""
        ...


@dataclass(frozen=True, kw_only=True)
class Followed(Generic[S]):
    """The state after all events, None where one cannot follow the others, and what is wrong with them."""

    state: S | None
    findings: tuple[Finding, ...]
    checked: int


def follow(events: Sequence[e.Event], checks: LogChecks[S], kind: type[S]) -> Followed[S]:
    """Check the events of a task of a kind in their order, its ``TaskCreated`` first among them."""
    created = next(event for event in events if isinstance(event, e.TaskCreated))
    try:
        state = kind.of(first_state(created))
    except WrongKind as error:
        found = Finding(
            subject="TaskCreated", message=f"{error} Nothing after it was checked.", event=created
        )
        return Followed(state=None, findings=(found,), checked=0)
    findings: list[Finding] = []
    for place, event in enumerate(events):
        if event.origin.address != state.address:
            continue
        try:
            findings += rule_findings(state, event)
            findings += checks.before(state, event)
            state = fold(state, [event])
            findings += checks.after(state, event)
        except (ContractError, LookupError, ArithmeticError) as error:
            reason = (
                str(error)
                if isinstance(error, ContractError)
                else "It names what nothing before it has named."
            )
            findings.append(
                Finding(
                    round=state.round,
                    subject=type(event).__name__,
                    message=f"{reason} Nothing after it was checked.",
                    event=event,
                )
            )
            return Followed(state=None, findings=tuple(findings), checked=place)
    findings += checks.end(state)
    return Followed(state=state, findings=tuple(findings), checked=len(events))
