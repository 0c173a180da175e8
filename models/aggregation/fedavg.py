# SPDX-License-Identifier: Apache-2.0
"""Federated averaging: the weighted mean of the updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import anyio.to_thread

from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.mixing import PreAggregatorEntry, create_steps, mix
from bcfl.models.aggregation.weights import integer_weights
from bcfl.registry import register

__all__ = ("FedAvg",)


@register("aggregator", "fedavg", source="McMahan et al. 2017, arXiv 1602.05629")
@dataclass(frozen=True, kw_only=True)
class FedAvg:
    """The mean of the updates: by claimed samples, by positive score, or unweighted as in the published experiments.

    An update of weight 0 is left out before the pre-aggregators of ``before``; what they make weighs as much as the
    updates in it together.
    """

    by: Literal["samples", "score", "unweighted"] = "samples"
    before: tuple[PreAggregatorEntry, ...] = ()

    def __post_init__(self) -> None:
        """Refuse pre-aggregators that are not there.

        Raises:
            RegistryError: ``before`` names no entry, or one that cannot take its parameters.
        """
        create_steps(self.before)

    @property
    def follows_scores(self) -> bool:
        """Whether scores weigh."""
        return self.by == "score"

    @property
    def exact(self) -> bool:
        """What pre-aggregators make is weighed by their parts."""
        return not self.before

    @property
    def by_samples(self) -> bool:
        """Whether each update weighs what its trainer claims."""
        return self.by == "samples"

    def game_weights(self, samples: Sequence[int]) -> tuple[int, ...]:
        """By claimed samples, or equal: weights that follow scores cannot enter the game that makes them."""
        return self.integer_weights(samples=samples, scores=[1.0] * len(samples))

    def integer_weights(self, *, samples: Sequence[int], scores: Sequence[float]) -> tuple[int, ...]:
        """Weights of the round's updates; ``by`` score, a member without a positive score has none.

        Raises:
            InvalidFold: a number of samples is negative, or a score is no number.
        """
        match self.by:
            case "samples":
                return integer_weights(samples)
            case "score":
                return integer_weights([score if not score < 0 else 0 for score in scores])
            case "unweighted":
                return (1,) * len(samples)

    async def aggregate(self, made: AggregationRound) -> Aggregate:
        """The fold of the updates, or of what the pre-aggregators made of them.

        Raises:
            InvalidFold: a number of samples is negative, or a score is no number.
        """
        integers = self.integer_weights(samples=made.samples, scores=made.scores)
        kept = [position for position, integer in enumerate(integers) if integer]
        if not kept:
            return Aggregate(model=made.start, integers=integers)
        if not self.before:
            model = await anyio.to_thread.run_sync(fold, made.updates, integers)
            return Aggregate(model=model, integers=integers)
        steps = create_steps(self.before)
        updates = [made.updates[position] for position in kept]
        mixed = await anyio.to_thread.run_sync(mix, steps, updates, made.start)
        together = integer_weights(
            [sum(integers[kept[update]] for update in share) for share in mixed.shares]
        )
        model = await anyio.to_thread.run_sync(fold, mixed.models, together)
        counted = dict(zip(kept, mixed.of_updates(together, len(kept)), strict=True))
        return Aggregate(
            model=model, integers=tuple(counted.get(position, 0) for position in range(len(integers)))
        )
