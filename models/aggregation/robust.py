# SPDX-License-Identifier: Apache-2.0
"""What all robust rules have in common: equal weights in the game, pre-aggregators, a thread for the arithmetic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import anyio.to_thread

from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound
from bcfl.models.aggregation.mixing import PreAggregatorEntry, create_steps, mix
from bcfl.models.weights import Weights
from bcfl.registry import InvalidParameters

__all__ = ("RobustRule", "tolerated")


@dataclass(frozen=True, kw_only=True)
class RobustRule(ABC):
    """A rule that believes neither claimed samples nor scores; ``before`` names pre-aggregators, applied in order."""

    follows_scores: ClassVar[bool] = False

    before: tuple[PreAggregatorEntry, ...] = ()

    def __post_init__(self) -> None:
        """Refuse parameters that the rule cannot work with.

        Raises:
            RegistryError: ``before`` names what is not there, or a parameter is out of its range.
        """
        create_steps(self.before)

    def game_weights(self, samples: Sequence[int]) -> tuple[int, ...]:
        """Everybody the same: claims cost nothing."""
        return (1,) * len(samples)

    async def aggregate(self, made: AggregationRound) -> Aggregate:
        """Mix, combine, and trace the weights of the mixed models back to the updates."""
        if not made.updates:
            return Aggregate(model=made.start, integers=())
        steps = create_steps(self.before)
        mixed = await anyio.to_thread.run_sync(mix, steps, made.updates, made.start)
        combined = await self.combine(mixed.models, made)
        return Aggregate(
            model=combined.model, integers=mixed.of_updates(combined.integers, len(made.updates))
        )

    @abstractmethod
    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:
        """The rule itself, on one model or more; integers are the models', not the updates'."""

    def _require(self, holds: bool, parameter: str, sentence: str) -> None:
        """Refuse a parameter unless its condition holds; ``sentence`` says what it must be."""
        if not holds:
            value = getattr(self, parameter)
            raise InvalidParameters(f"{parameter} {sentence}, not {value}.", parameter=parameter)


def tolerated(byzantine: int | None, most: int) -> int:
    """The number of Byzantine members that a rule assumes, when it tolerates ``most`` of those who came.

    A round of fewer members than the rule was chosen for is aggregated all the same, for fewer attackers.
    """
    bounded = max(0, most)
    return bounded if byzantine is None else min(byzantine, bounded)
