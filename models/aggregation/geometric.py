# SPDX-License-Identifier: Apache-2.0
"""The geometric median: the model with the least sum of distances to all updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound
from bcfl.models.aggregation.coordinatewise import median
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.robust import RobustRule
from bcfl.models.aggregation.sums import distance
from bcfl.models.aggregation.weights import integer_weights
from bcfl.models.weights import Weights
from bcfl.registry import register

__all__ = ("GeometricMedian", "geometric_median")


@register("aggregator", "geometric_median", source="Pillutla, Kakade, Harchaoui 2022, arXiv 1912.13445 (RFA)")
@dataclass(frozen=True, kw_only=True)
class GeometricMedian(RobustRule):
    """The smoothed geometric median by Weiszfeld's algorithm; no update pulls harder than another, however far it is.

    It begins at the coordinate-wise median, where a far minority has no say (from the mean, 40 % of attackers at 10⁶ would take
    dozens of ``iterations`` to shake off). A distance below ``smoothing``, in units of the parameters, counts as ``smoothing``.
    """

    iterations: int = 8
    smoothing: float = 1e-6

    def __post_init__(self) -> None:
        """Both parameters are positive."""
        super().__post_init__()
        self._require(self.iterations >= 1, "iterations", "must be at least 1")
        self._require(self.smoothing > 0, "smoothing", "must be above 0")

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:  # noqa: ARG002 - the port
        """The fold by the last iteration's integer weights, which are in proportion to 1/distance."""
        return await anyio.to_thread.run_sync(geometric_median, models, self.iterations, self.smoothing)


def geometric_median(models: Sequence[Weights], iterations: int, smoothing: float) -> Aggregate:
    """Weiszfeld's algorithm; every iterate but the first is a fold, so its integer weights give the model away.

    Args:
        models: at least one.
        iterations: at most so many, fewer if the weights repeat.
        smoothing: least distance, in units of the parameters.
    """
    centre = median(models)
    integers: tuple[int, ...] = ()
    for _ in range(iterations):
        distances = [distance(model.vector, centre.vector) for model in models]
        closer = integer_weights([1 / max(smoothing, far) for far in distances])
        if closer == integers:
            break
        integers = closer
        centre = fold(models, integers)
    return Aggregate(model=centre, integers=integers)
