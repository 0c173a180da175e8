# SPDX-License-Identifier: Apache-2.0
"""What an agent's core wants: plain values that the shell carries out, each once.

A core is asked again after every block and after every piece of work; it answers with all that it wants *now*.
What it asked for before and asks for again goes on; what it no longer asks for is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from bcfl.contracts.calls import Call
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState

__all__ = ("Action", "Results", "Transact", "View", "WakeAt", "Work")

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class View:
    """What is public and what time it is: all that a core decides on beside its own results."""

    seen: TaskState | None
    """The task after the newest block; None before it exists."""
    final: TaskState | None
    """The task after the newest block that cannot be undone."""
    now: int
    """Timestamp of the newest block, or a later one that the agent slept for; in seconds."""

    def is_final(self, round_number: int, phase: Phase) -> bool:
        """Whether the task is in this phase of this round, and no reorganisation can change that any more."""
        final = self.final
        return final is not None and final.round == round_number and final.phase is phase


@dataclass(frozen=True, kw_only=True)
class Transact:
    """Have this call included, once for (agent, task, round, name)."""

    round: int
    name: str
    call: Call
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What the event log shows of the decision."""
    spare_gas: int = 0
    """Beyond the node's estimate: whose call comes last in a phase also pays for what follows."""
    remade: Work[Any] | None = None
    """What is done anew where the call is refused: a permit, whose nonce another call of the account may have taken."""


@dataclass(frozen=True, kw_only=True)
class Work(Generic[R_co]):
    """Something that takes time off the chain; its result, an ``R_co``, comes back to the core under the work itself.

    Descendants add what is needed to do it; equal works are one. One that ``waits`` for what others do keeps nobody busy.
    """

    waits: ClassVar[bool] = False

    round: int


@dataclass(frozen=True)
class WakeAt:
    """Ask again when chain time has reached this timestamp."""

    timestamp: int


class Results(Protocol):
    """What works have come to, as far as somebody still asks for it (``runtime.results``; in tests a dictionary)."""

    def __contains__(self, work: object, /) -> bool:
        """Whether it is done."""
        ...

    def __getitem__(self, work: Work[R], /) -> R:
        """What it came to; it is done."""
        ...

    def get(self, work: Work[R], /) -> R | None:
        """What it came to, None where it is not done."""
        ...

    def __iter__(self) -> Iterator[Work[Any]]:
        """What is done."""
        ...


Action = Transact | Work[Any] | WakeAt
