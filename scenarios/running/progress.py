# SPDX-License-Identifier: Apache-2.0
"""What a run tells whoever watches it, while it runs; views fold these, agents never see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.outcome.summary import RoundSummary, Summary

__all__ = (
    "AFTER_TRAINING",
    "AgentChanged",
    "GasUsed",
    "PhaseChanged",
    "Preparing",
    "RoundDone",
    "RunEnded",
    "RunEvent",
    "RunStarted",
)

AFTER_TRAINING = frozenset({"trained", "committed", "revealed", "scoring", "scored", "aggregated"})
"""What a trainer is at once it has trained in the round."""


@dataclass(frozen=True, kw_only=True)
class Preparing:
    """What takes time before anybody is up: loading data, starting a chain, deploying contracts."""

    scenario: str
    what: str
    directory: Path | None = None
    """Where the run can be gone on with from now on, should it be stopped."""


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """Everybody is up; the task exists."""

    scenario: Scenario
    trainers: tuple[str, ...]
    evaluators: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What the data say of themselves: left out, changed, chosen; and what may be meant otherwise."""


@dataclass(frozen=True, kw_only=True)
class PhaseChanged:
    """The task entered a phase; ``round`` from 1 (0 while enrolling), ``deadline`` in seconds of chain time."""

    round: int
    phase: str
    deadline: int | None = None


@dataclass(frozen=True, kw_only=True)
class AgentChanged:
    """An agent does something else now; ``loss`` is its local model's, where it has just trained.

    ``activity`` is one word for people: ``waiting``, ``training``, ``trained``, ``committed``, ``revealed``, ``scoring``,
    ``scored``, ``aggregated``, ``left``; views count those that are past their training by ``AFTER_TRAINING``.
    """

    name: str
    role: str
    activity: str
    loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class RoundDone:
    """A round was settled."""

    summary: RoundSummary


@dataclass(frozen=True, kw_only=True)
class GasUsed:
    """A transaction of that role was included; ``gas`` is its own, not a sum."""

    role: str
    gas: int


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The task is over and everything was paid."""

    summary: Summary


RunEvent = Preparing | RunStarted | PhaseChanged | AgentChanged | RoundDone | GasUsed | RunEnded
