# SPDX-License-Identifier: Apache-2.0
"""Exact Shapley values (Shapley 1953): a member's marginal value, averaged over all orders of joining."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bcfl.models.errors import TooManyMembers
from bcfl.models.scoring.game import CoalitionLosses, Game, ScoringRound, Value, coalition_scores
from bcfl.registry import register

__all__ = ("MOST_MEMBERS", "Shapley", "ShapleyMean", "shapley_values")

MOST_MEMBERS = 16
"""65,535 coalitions: an hour of evaluations of a small network; each further member doubles them."""


def shapley_values(members: int, values: Mapping[int, float]) -> tuple[float, ...]:
    """φᵢ = Σ_{S∌i} |S|!(n−|S|−1)!/n! · (v(S∪{i}) − v(S)), summed without rounding between the terms.

    Args:
        members: n.
        values: v of every non-empty coalition by bit mask; v(∅) is 0 unless given.

    Raises:
        TooManyMembers: above 16.
    """
    _feasible(members)
    value = [values[coalition] if coalition else values.get(0, 0.0) for coalition in range(1 << members)]
    share = [1 / (members * math.comb(members - 1, size)) for size in range(members)]
    return tuple(
        math.fsum(
            share[coalition.bit_count()] * (value[coalition | 1 << member] - value[coalition])
            for coalition in range(1 << members)
            if not coalition >> member & 1
        )
        for member in range(members)
    )


@register("score", "shapley", source="Shapley 1953; aggregation weights fixed")
@dataclass(frozen=True, kw_only=True)
class Shapley:
    """Exact Shapley values of the game with fixed aggregation weights, up to 16 members."""

    largest_round: ClassVar[int] = MOST_MEMBERS

    value: Value = "loss"

    @property
    def game(self) -> Game:
        """Who is absent counts as no update."""
        return "fixed"

    async def scores(self, scoring: ScoringRound, engine: CoalitionLosses) -> tuple[float, ...]:
        """Takes 2ⁿ evaluations."""
        return await coalition_scores(self, scoring, engine)

    def coalitions(self, members: int) -> tuple[int, ...]:
        """All but the empty one."""
        _feasible(members)
        return tuple(range(1, 1 << members))

    def combine(self, members: int, values: Mapping[int, float]) -> tuple[float, ...]:
        """Shapley values; they sum to the value of everybody."""
        return shapley_values(members, values)


@register("score", "shapley_mean", source="the published experiments")
@dataclass(frozen=True, kw_only=True)
class ShapleyMean(Shapley):
    """Exact Shapley values of the published game, the mean over each coalition; it overpays idle members."""

    @property
    def game(self) -> Game:
        """Each coalition's model is the plain mean of its members' models."""
        return "mean"


def _feasible(members: int) -> None:
    if members > MOST_MEMBERS:
        raise TooManyMembers(
            f"Exact Shapley values of {members} members need {2**members - 1} evaluations, and {MOST_MEMBERS} members "
            f"are the most: use 'shapley_fitted', 'leave_one_out' or 'step', or a smaller cohort."
        )
