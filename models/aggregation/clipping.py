# SPDX-License-Identifier: Apache-2.0
"""Clipping: no update may move a model further than a bound, so that length gives nobody power.

A clipped model is start + c·(w − start), c the bound over the norm: elementwise float64, rounded once to float32. A
model within the bound stays as it is, bit for bit.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread
import numpy as np

from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.mixing import Part
from bcfl.models.aggregation.robust import RobustRule
from bcfl.models.aggregation.sums import distance
from bcfl.models.weights import Weights
from bcfl.registry import InvalidParameters, register

__all__ = ("CenteredClipping", "Clipping", "NormClipping", "centered_clipping", "clip_to_median")


@register("aggregator", "norm_clipping", source="Sun et al. 2019, arXiv 1911.07963")
@dataclass(frozen=True, kw_only=True)
class NormClipping(RobustRule):
    """The mean of the updates, none longer than ``factor`` times their median length; length is ‖w − start‖."""

    factor: float = 1.0

    def __post_init__(self) -> None:
        """The bound is positive."""
        super().__post_init__()
        self._require(self.factor > 0, "factor", "must be above 0")

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:
        """The plain mean of the clipped models; all are considered."""
        clipped = await anyio.to_thread.run_sync(clip_to_median, models, made.start, self.factor)
        integers = (1,) * len(models)
        return Aggregate(model=await anyio.to_thread.run_sync(fold, clipped, integers), integers=integers)


@register("aggregator", "centered_clipping", source="Karimireddy, He, Jaggi 2021, arXiv 2012.10333")
@dataclass(frozen=True, kw_only=True)
class CenteredClipping(RobustRule):
    """Steps from the round's start by the mean of the differences to the updates, none longer than ``radius``.

    Without ``radius``, in units of the parameters, it is the median of the distances, anew in each of the ``iterations``.
    """

    radius: float | None = None
    iterations: int = 3

    def __post_init__(self) -> None:
        """Both parameters are positive."""
        super().__post_init__()
        self._require(self.radius is None or self.radius > 0, "radius", "must be above 0")
        self._require(self.iterations >= 1, "iterations", "must be at least 1")

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:
        """The centre after the last step; all models are considered."""
        centre = await anyio.to_thread.run_sync(
            centered_clipping, models, made.start, self.radius, self.iterations
        )
        return Aggregate(model=centre, integers=(1,) * len(models))


@register("pre_aggregator", "clipping", source="Sun et al. 2019, arXiv 1911.07963")
@dataclass(frozen=True, kw_only=True)
class Clipping:
    """Each update is shortened to ``factor`` times the median length of all; length is ‖w − start‖."""

    factor: float = 3.0

    def __post_init__(self) -> None:
        """The bound is positive."""
        if not self.factor > 0:
            raise InvalidParameters(f"factor must be above 0, not {self.factor}.", parameter="factor")

    def mix(self, models: Sequence[Weights], start: Weights) -> tuple[Part, ...]:
        """One part for each model."""
        clipped = clip_to_median(models, start, self.factor)
        return tuple(Part(model=model, members=(position,)) for position, model in enumerate(clipped))


def clip_to_median(models: Sequence[Weights], start: Weights, factor: float) -> tuple[Weights, ...]:
    """Models no further from ``start`` than ``factor`` times their median distance from it.

    Where at least half of the models are the start itself the bound is 0, and so is everybody's update.

    Raises:
        SchemaMismatch: a model is of another network.
    """
    for model in models:
        start.same_schema(model)
    lengths = [distance(model.vector, start.vector) for model in models]
    bound = factor * statistics.median(lengths)
    return tuple(
        model if length <= bound else _shortened(model, start, bound / length)
        for model, length in zip(models, lengths, strict=True)
    )


def centered_clipping(
    models: Sequence[Weights], start: Weights, radius: float | None, iterations: int
) -> Weights:
    """The last centre of v ← v + (1/n)·Σ min(1, τ/‖wᵢ − v‖)·(wᵢ − v), from v = ``start``.

    Args:
        models: at least one.
        start: the first centre.
        radius: τ in units of the parameters; None: the median of ‖wᵢ − v‖.
        iterations: number of steps.

    Raises:
        SchemaMismatch: a model is of another network.
    """
    for model in models:
        start.same_schema(model)
    centre = start.vector.astype(np.float64)
    for _ in range(iterations):
        lengths = [distance(model.vector, centre) for model in models]
        bound = statistics.median(lengths) if radius is None else radius
        step = np.zeros_like(centre)
        for model, length in zip(models, lengths, strict=True):
            difference = np.subtract(model.vector, centre, dtype=np.float64)
            if length > bound:
                np.multiply(difference, bound / length, out=difference)
            np.add(step, difference, out=step)
        np.divide(step, np.float64(len(models)), out=step)
        np.add(centre, step, out=centre)
    return Weights(start.schema, centre.astype(np.float32))


def _shortened(model: Weights, start: Weights, scale: float) -> Weights:
    difference = np.subtract(model.vector, start.vector, dtype=np.float64)
    np.multiply(difference, np.float64(scale), out=difference)
    np.add(difference, start.vector, out=difference)
    return Weights(start.schema, difference.astype(np.float32))
