# SPDX-License-Identifier: Apache-2.0
"""What a living agent tells the person who started it."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.contracts.ids import Address

__all__ = ("Answers", "GaveUpTask", "Hindered", "HostEvent", "Joined", "Left", "Passed", "TakesIn")


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The agent takes part in a task, or would if it were let in; the title is empty where it has not been read."""

    task: Address
    title: str


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A task that the agent takes no part in."""

    task: Address
    reason: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """A task that is over, and owes the agent nothing; ``paid`` in 10⁻⁹ token."""

    task: Address
    paid: int


@dataclass(frozen=True, kw_only=True)
class GaveUpTask:
    """An agent failed too often in a task; it goes on in the others."""

    agent: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The agent can be asked how it is at this address: ``/metrics``, ``/healthz``, ``/readyz``."""

    address: str


@dataclass(frozen=True, kw_only=True)
class TakesIn:
    """The agent, a relayer, takes messages at this address."""

    address: str


@dataclass(frozen=True, kw_only=True)
class Hindered:
    """Something that only its owner can mend keeps an agent from acting."""

    agent: str
    reason: str


HostEvent = Joined | Passed | Left | GaveUpTask | Answers | TakesIn | Hindered
