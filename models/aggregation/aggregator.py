# SPDX-License-Identifier: Apache-2.0
"""What an aggregator is: a round's updates in, the next model and each update's part in it out.

An auditor repeats an aggregation on another machine and compares digests, so a rule is a function of the
posted and fetched bytes alone, **bit for bit**. Additions, subtractions, multiplications, divisions and square roots
of IEEE 754 round in one way everywhere; what differs between machines is the order of sums and fused
multiply-adds. So no matrix product, ``np.dot``, ``np.sum`` or ``np.linalg`` decides anything here: sums run
elementwise in the order of the updates (``fold``), or over a vector by ``sums.total`` in an order of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bcfl.models.weights import Weights

__all__ = ("Aggregate", "AggregationRound", "Aggregator")


@dataclass(frozen=True, kw_only=True, eq=False)
class AggregationRound:
    """What is aggregated: the updates of one round in index order, each a whole, finite model of the task's schema.

    Attributes:
        start: the global model that the round began with.
        updates: whole models, shape (d,) each; the caller has refused NaN, infinities and other schemas.
        samples: the number of samples that each member claims.
        scores: each member's posted score of this round, in units of loss.
        loss: the mean validation loss of a model on the evaluator's own samples.
        root: a model trained from ``start`` on the evaluator's own samples; only rules that trust one ask for it.
    """

    start: Weights
    updates: tuple[Weights, ...]
    samples: tuple[int, ...]
    scores: tuple[float, ...]
    loss: Callable[[Weights], Awaitable[float]]
    root: Callable[[], Awaitable[Weights]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Aggregate:
    """The next global model, and one integer below 2²⁹ for each update: how much it counts in the model, 0: left out.

    For rules that weigh whole updates (the means, Krum, the geometric median) without pre-aggregation the model
    is ``fold(updates, integers)``; for the others the integers only say who was considered. ``memory`` is what the task's
    server optimiser remembers then; no aggregator sets it.
    """

    model: Weights
    integers: tuple[int, ...]
    memory: Weights | None = None


class Aggregator(Protocol):
    """An entry of kind ``aggregator``: a frozen dataclass whose fields are its parameters.

    One that asks for ``loss`` or ``root`` has to say that it is ``private``; ``compares_once`` and ``follows_scores`` let
    others repeat it (``models/declared.py``). It may be a ``PlainMean``, or ``Doubted``, too.
    """

    def game_weights(self, samples: Sequence[int]) -> tuple[int, ...]:
        """Integer weights of the updates before any score is known, for the game that makes the scores.

        Args:
            samples: the number of samples that each member claims.
        """
        ...

    async def aggregate(self, made: AggregationRound) -> Aggregate:
        """The next model; without updates, or when none counts, it is ``start`` and all integers are 0."""
        ...


@runtime_checkable
class PlainMean(Protocol):
    """An aggregator whose integers follow from claims and scores alone, so that each of a report's can be checked by itself."""

    @property
    def exact(self) -> bool:
        """Whether they do, with these parameters."""
        ...

    @property
    def by_samples(self) -> bool:
        """Whether they are the claims themselves, and not only in proportion to something."""
        ...

    def integer_weights(self, *, samples: Sequence[int], scores: Sequence[float]) -> tuple[int, ...]:
        """One for each update.

        Raises:
            InvalidFold: a number of samples is negative, or a score is no number.
        """
        ...


@runtime_checkable
class Doubted(Protocol):
    """A private aggregator that can say, without the evaluator's samples, what it can have come to."""

    def possible(self, aggregate: Aggregate, made: AggregationRound) -> bool:
        """Whether some samples lead there; ``made`` answers nothing."""
        ...
