# SPDX-License-Identifier: Apache-2.0
"""Rules that look at the distances between models: Krum, Multi-Krum and nearest-neighbour mixing.

Every distance is a reproducible sum (``sums.squared_distance``), and among equals the lowest index comes first, so the
same models are chosen on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.mixing import Part
from bcfl.models.aggregation.robust import RobustRule, tolerated
from bcfl.models.aggregation.sums import squared_distance
from bcfl.models.weights import Weights
from bcfl.registry import InvalidParameters, register

__all__ = ("Krum", "MultiKrum", "NearestNeighbourMixing", "krum_order", "nearest", "squared_distances")


@register("aggregator", "krum", source="Blanchard et al. 2017, arXiv 1703.02757")
@dataclass(frozen=True, kw_only=True)
class Krum(RobustRule):
    """The one model whose n − f − 2 nearest others are nearest in all; f is ``byzantine``.

    Without ``byzantine``, and at most, f = ⌊(n − 3)/2⌋ of the n models are assumed to be an attacker's; for n < 3 none.
    """

    byzantine: int | None = None

    def __post_init__(self) -> None:
        """A number of attackers is not negative."""
        super().__post_init__()
        self._require(self.byzantine is None or self.byzantine >= 0, "byzantine", "must be at least 0")

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:  # noqa: ARG002 - the port
        """That model, bit for bit but for negative zeros."""
        return await anyio.to_thread.run_sync(_multi_krum, models, self.byzantine, 1)


@register("aggregator", "multi_krum", source="Blanchard et al. 2017, arXiv 1703.02757")
@dataclass(frozen=True, kw_only=True)
class MultiKrum(RobustRule):
    """The mean of the ``keep`` models that Krum likes best; without ``keep`` n − f of them, as byzfl has it.

    Without ``byzantine``, and at most, f = ⌊(n − 3)/2⌋ of the n models are assumed to be an attacker's; for n < 3 none.
    """

    byzantine: int | None = None
    keep: int | None = None

    def __post_init__(self) -> None:
        """Somebody must be kept."""
        super().__post_init__()
        self._require(self.byzantine is None or self.byzantine >= 0, "byzantine", "must be at least 0")
        self._require(self.keep is None or self.keep >= 1, "keep", "must be at least 1")

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:  # noqa: ARG002 - the port
        """Their plain mean; with fewer models than ``keep``, the mean of all."""
        return await anyio.to_thread.run_sync(_multi_krum, models, self.byzantine, self.keep)


@register("pre_aggregator", "nnm", source="Allouah et al. 2023, arXiv 2302.01772")
@dataclass(frozen=True, kw_only=True)
class NearestNeighbourMixing:
    """Each model becomes the mean of the n − f models nearest to it, itself among them; f is ``byzantine``.

    Without ``byzantine``, and at most, f = ⌊(n − 1)/2⌋: fewer than half.
    """

    byzantine: int | None = None

    def __post_init__(self) -> None:
        """A number of attackers is not negative."""
        if self.byzantine is not None and self.byzantine < 0:
            raise InvalidParameters(
                f"byzantine must be at least 0, not {self.byzantine}.", parameter="byzantine"
            )

    def mix(self, models: Sequence[Weights], start: Weights) -> tuple[Part, ...]:  # noqa: ARG002 - the port
        """One part for each model."""
        count = len(models) - tolerated(self.byzantine, (len(models) - 1) // 2)
        distances = squared_distances(models)
        neighbourhoods = [tuple(sorted(nearest(row, count))) for row in distances]
        means = {
            members: fold([models[member] for member in members], (1,) * count)
            for members in set(neighbourhoods)
        }
        return tuple(Part(model=means[members], members=members) for members in neighbourhoods)


def squared_distances(models: Sequence[Weights]) -> list[list[float]]:
    """The symmetric (n, n) table of ‖wᵢ − wⱼ‖²; n(n−1)/2 reproducible sums.

    Raises:
        SchemaMismatch: the models are of different networks.
    """
    table = [[0.0] * len(models) for _ in models]
    for first, model in enumerate(models):
        models[0].same_schema(model)
        for second in range(first):
            table[first][second] = table[second][first] = squared_distance(
                model.vector, models[second].vector
            )
    return table


def nearest(row: Sequence[float], count: int) -> list[int]:
    """The ``count`` positions with the smallest values, ascending; of equals the lower first."""
    return sorted(range(len(row)), key=lambda position: (row[position], position))[:count]


def krum_order(models: Sequence[Weights], byzantine: int) -> list[int]:
    """Positions from best to worst by Krum's score: the sum of squared distances to the n − f − 2 nearest others.

    Args:
        models: at least one; of three or fewer every model looks at its one nearest.
        byzantine: f, the number of models that an attacker may own.
    """
    neighbours = max(1, len(models) - byzantine - 2)
    scores = []
    for mine, row in enumerate(squared_distances(models)):
        others = sorted(value for other, value in enumerate(row) if other != mine)
        scores.append(sum(others[:neighbours], 0.0))
    return nearest(scores, len(scores))


def _multi_krum(models: Sequence[Weights], byzantine: int | None, keep: int | None) -> Aggregate:
    attackers = tolerated(byzantine, (len(models) - 3) // 2)
    chosen = krum_order(models, attackers)[: len(models) - attackers if keep is None else keep]
    integers = tuple(int(position in chosen) for position in range(len(models)))
    return Aggregate(model=fold(models, integers), integers=integers)
