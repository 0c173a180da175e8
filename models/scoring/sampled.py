# SPDX-License-Identifier: Apache-2.0
"""Sampled Shapley values: means of the members' marginal values over some orders of joining.

The orders come from a seed and the round's content (global model, updates, weights), so an auditor draws the
same, and nobody knows them before the last update of the round is there. The orders are walked side by side:
each step asks the engine for one batch of coalitions, none twice.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.models.scoring.game import CoalitionLosses, CoalitionValues, Game, ScoringRound, Value
from bcfl.registry import register
from bcfl.seeds import Seeds

__all__ = ("GtgShapley", "TmcShapley")

_RECENT = 10
_NOTHING = 1e-12
"""Added to a denominator: a mean of 0 that was not 0 before has not settled, and nothing overflows."""


@register("score", "tmc_shapley", source="Ghorbani & Zou 2019, arXiv 1904.02868")
@dataclass(frozen=True, kw_only=True)
class TmcShapley:
    """Truncated Monte Carlo: ``orders`` random orders; one is cut short when it nearly has everybody's value.

    Nearly is within ``truncation`` times |v(N)|; who would join later gets nothing from that order. With
    ``truncation`` 0 the values are unbiased and sum to v(N).
    """

    game: Game = "fixed"
    value: Value = "loss"
    seed: int = 0
    orders: int = 100
    truncation: float = 0.01

    def __post_init__(self) -> None:
        _at_least_one(self.orders)

    async def scores(self, scoring: ScoringRound, engine: CoalitionLosses) -> tuple[float, ...]:
        """Takes n × ``orders`` + 2 evaluations at most, and 2ⁿ at most."""
        members = len(scoring.updates)
        if members == 0:
            return ()
        values = CoalitionValues(scoring, engine, game=self.game, value=self.value)
        draw = _generator("tmc_shapley", self.seed, scoring)
        orders = [_shuffled(draw, range(members)) for _ in range(self.orders)]
        slack = self.truncation * abs(await _worth_of_everybody(values, members))
        marginals = await _marginals(values, orders, slack=slack)
        return _means(marginals)


@register("score", "gtg_shapley", source="Liu et al. 2022, arXiv 2109.02053")
@dataclass(frozen=True, kw_only=True)
class GtgShapley:
    """Guided truncation: each member begins as many orders as any other, until the means have settled.

    A round with |v(N)| up to ``round_truncation`` is worth nothing to anybody; an order is cut short when it is
    nearer than ``truncation`` to v(N). Both are in units of the value, so late rounds of a converging model fall
    under the published 0.01; 0 scores every round. At least 30 orders are walked, ``orders`` at most, in turns of n;
    the means have settled when those of the last ten orders differ by up to ``convergence`` of the present ones,
    averaged over members.
    """

    game: Game = "fixed"
    value: Value = "loss"
    seed: int = 0
    round_truncation: float = 0.01
    truncation: float = 0.001
    convergence: float = 0.05
    orders: int = 500

    _FEWEST = 30

    def __post_init__(self) -> None:
        _at_least_one(self.orders)

    async def scores(self, scoring: ScoringRound, engine: CoalitionLosses) -> tuple[float, ...]:
        """Takes 2 evaluations in a truncated round, else n × ``orders`` + 2 at most, and 2ⁿ at most."""
        members = len(scoring.updates)
        if members == 0:
            return ()
        values = CoalitionValues(scoring, engine, game=self.game, value=self.value)
        if abs(await _worth_of_everybody(values, members)) <= self.round_truncation:
            return (0.0,) * members
        draw = _generator("gtg_shapley", self.seed, scoring)
        marginals: list[list[float]] = []
        while len(marginals) < self.orders and not self._settled(marginals):
            turn = [
                (first, *_shuffled(draw, [member for member in range(members) if member != first]))
                for first in range(members)
            ]
            left = self.orders - len(marginals)
            marginals += await _marginals(values, turn[:left], slack=self.truncation)
        return _means(marginals)

    def _settled(self, marginals: Sequence[Sequence[float]]) -> bool:
        if len(marginals) < self._FEWEST:
            return False
        counts = np.arange(1, len(marginals) + 1)[:, None]
        recent = (np.cumsum(marginals, axis=0) / counts)[-_RECENT:]
        differences = np.abs(recent - recent[-1]) / (np.abs(recent[-1]) + _NOTHING)
        return bool(differences.mean(axis=1).max() <= self.convergence)


async def _worth_of_everybody(values: CoalitionValues, members: int) -> float:
    everybody = (1 << members) - 1
    return (await values.of([everybody]))[everybody]


async def _marginals(
    values: CoalitionValues, orders: Sequence[Sequence[int]], *, slack: float
) -> list[list[float]]:
    """What each member adds in each order, (orders, members); 0 once an order is nearer than ``slack`` to v(N)."""
    members = len(orders[0])
    everybody = await _worth_of_everybody(values, members)
    marginals = [[0.0] * members for _ in orders]
    coalitions = [0] * len(orders)
    reached = [0.0] * len(orders)
    for place in range(members):
        walking = [number for number, worth in enumerate(reached) if abs(everybody - worth) >= slack]
        for number in walking:
            coalitions[number] |= 1 << orders[number][place]
        known = await values.of(coalitions[number] for number in walking)
        for number in walking:
            worth = known[coalitions[number]]
            marginals[number][orders[number][place]] = worth - reached[number]
            reached[number] = worth
    return marginals


def _means(marginals: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(math.fsum(column) / len(marginals) for column in zip(*marginals, strict=True))


def _generator(name: str, seed: int, scoring: ScoringRound) -> random.Random:
    """Python's generator, whose ``random()`` keeps its sequence in every version; numpy's promise nothing."""
    content = hashlib.sha256()
    for model in (scoring.start, *scoring.updates):
        content.update(model.digest())
    content.update(np.asarray(scoring.weights, dtype="<f8").tobytes())
    return random.Random(Seeds(seed).derive(name, content.hexdigest()))  # noqa: S311 - no secret depends on it


def _shuffled(draw: random.Random, members: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(members, key=lambda _: draw.random()))


def _at_least_one(orders: int) -> None:
    if orders < 1:
        raise ValueError(f"a sampled score walks at least one order, not {orders}")
