# SPDX-License-Identifier: Apache-2.0
"""Learning-rate schedules: by what the learning rate is multiplied in a round."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from bcfl.registry import register

__all__ = ("Constant", "Cosine", "Schedule", "StepDecay")


class Schedule(Protocol):
    """An entry of kind ``schedule``: a frozen dataclass whose fields are its parameters."""

    def factor(self, round_number: int) -> float:
        """Above 0; rounds are counted from 1."""
        ...


@register("schedule", "constant")
@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same in every round."""

    def factor(self, round_number: int) -> float:  # noqa: ARG002 - the same in all
        """1."""
        return 1.0


@register("schedule", "step_decay")
@dataclass(frozen=True, kw_only=True)
class StepDecay:
    """Multiplied by ``by`` after ``every`` so many rounds."""

    every: int = 10
    by: float = 0.5

    def __post_init__(self) -> None:
        if self.every < 1 or not 0 < self.by <= 1:
            raise ValueError(
                f"every must be at least 1 and by above 0 and at most 1, not {self.every} and {self.by}"
            )

    def factor(self, round_number: int) -> float:
        """by^⌊(round − 1)/every⌋."""
        factor: float = self.by ** ((round_number - 1) // self.every)
        return factor


@register("schedule", "cosine", source="Loshchilov, Hutter 2017, arXiv 1608.03983")
@dataclass(frozen=True, kw_only=True)
class Cosine:
    """From 1 in round 1 down to ``least`` in round ``rounds`` along half a cosine, and so from there on."""

    rounds: int
    least: float = 0.1

    def __post_init__(self) -> None:
        if self.rounds < 1 or not 0 < self.least <= 1:
            raise ValueError(
                f"rounds must be at least 1 and least above 0 and at most 1, not {self.rounds} and {self.least}"
            )

    def factor(self, round_number: int) -> float:
        """Least + (1 − least)·(1 + cos πt)/2, t from 0 to 1."""
        gone = min(1.0, (round_number - 1) / max(1, self.rounds - 1))
        return self.least + (1 - self.least) * (1 + math.cos(math.pi * gone)) / 2
