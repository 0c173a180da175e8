# SPDX-License-Identifier: Apache-2.0
"""Median and trimmed mean, each parameter by itself.

Both order the values of a parameter and then add at most n of them in that order, so the result does not depend on
the order of the models at all. Negative zeros become zeros first: sorting leaves it open which of the two comes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import anyio.to_thread
import numpy as np
import numpy.typing as npt

from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound
from bcfl.models.aggregation.robust import RobustRule
from bcfl.models.weights import Weights
from bcfl.registry import register

__all__ = ("Median", "TrimmedMean", "cut_at_each_end", "median", "trimmed_mean")

_BLOCK = 1 << 14  # parameters sorted at a time; it changes no bit


@register("aggregator", "median", source="Yin et al. 2018, arXiv 1803.01498")
@dataclass(frozen=True, kw_only=True)
class Median(RobustRule):
    """The median of each parameter; of an even number of models the mean of the middle two."""

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:  # noqa: ARG002 - the port
        """The coordinate-wise median; every model is considered."""
        model = await anyio.to_thread.run_sync(median, models)
        return Aggregate(model=model, integers=(1,) * len(models))


@register("aggregator", "trimmed_mean", source="Yin et al. 2018, arXiv 1803.01498")
@dataclass(frozen=True, kw_only=True)
class TrimmedMean(RobustRule):
    """The mean of each parameter without its smallest and its largest values.

    At each end ⌊trim·n⌋ of the n values are cut: of 10 with ``trim`` 0.3 three smallest and three largest, of 3 none.
    """

    trim: float = 0.3

    def __post_init__(self) -> None:
        """At least one value must remain."""
        super().__post_init__()
        self._require(0 <= self.trim < 0.5, "trim", "must be at least 0 and below 0.5")

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:  # noqa: ARG002 - the port
        """The coordinate-wise trimmed mean; every model is considered."""
        model = await anyio.to_thread.run_sync(trimmed_mean, models, cut_at_each_end(self.trim, len(models)))
        return Aggregate(model=model, integers=(1,) * len(models))


def cut_at_each_end(trim: float, members: int) -> int:
    """⌊trim·n⌋ of the decimal number as it is written: 0.29 of 100 is 29, which float64 makes 28.999…"""
    return math.floor(Fraction(repr(float(trim))) * members)


def median(models: Sequence[Weights]) -> Weights:
    """The coordinate-wise median of at least one model.

    Raises:
        SchemaMismatch: the models are of different networks.
    """
    lower, upper = (len(models) - 1) // 2, len(models) // 2
    return _by_coordinate(models, lambda ordered: _mean(ordered[lower : upper + 1]))


def trimmed_mean(models: Sequence[Weights], cut: int) -> Weights:
    """The mean of each parameter's values without the ``cut`` smallest and the ``cut`` largest.

    Args:
        models: more than 2·cut.
        cut: values left out at each end; 0 is the plain mean.

    Raises:
        SchemaMismatch: the models are of different networks.
    """
    return _by_coordinate(models, lambda ordered: _mean(ordered[cut : len(models) - cut]))


def _by_coordinate(
    models: Sequence[Weights], reduce: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
) -> Weights:
    """Reduce the values of shape (n, block), ascending in each column, to one of shape (block,)."""
    for other in models[1:]:
        models[0].same_schema(other)
    size = models[0].schema.size
    result = np.empty(size, dtype=np.float32)
    for begin in range(0, size, _BLOCK):
        block = slice(begin, begin + _BLOCK)
        values = np.stack([model.vector[block] for model in models])
        values += np.float32(0)  # −0 + 0 = 0
        values.sort(axis=0)
        result[block] = reduce(values)
    return Weights(models[0].schema, result)


def _mean(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The mean over the first axis, added row after row in float64."""
    running = np.zeros(values.shape[1], dtype=np.float64)
    for row in values:
        np.add(running, row, out=running)
    return running / np.float64(len(values))
