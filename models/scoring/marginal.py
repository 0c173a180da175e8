# SPDX-License-Identifier: Apache-2.0
"""Scores of one model evaluation a member: its own gain, or what is lost without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcfl.models.scoring.game import CoalitionLosses, Game, ScoringRound, Value, coalition_scores
from bcfl.registry import register

__all__ = ("LeaveOneOut", "Step")


@register("score", "step", source="Cai et al. 2020, arXiv 2011.07516")
@dataclass(frozen=True, kw_only=True)
class Step:
    """v({i}): by how much the member's own model lowers the loss of the global model.

    In the mean game that is the member's whole model, as published; in the fixed game its weighted part.
    """

    game: Game = "mean"
    value: Value = "loss"

    async def scores(self, scoring: ScoringRound, engine: CoalitionLosses) -> tuple[float, ...]:
        """Takes n + 1 evaluations."""
        return await coalition_scores(self, scoring, engine)

    def coalitions(self, members: int) -> tuple[int, ...]:
        """Every member alone."""
        return tuple(1 << member for member in range(members))

    def combine(self, members: int, values: Mapping[int, float]) -> tuple[float, ...]:
        """The members' own values."""
        return tuple(values[1 << member] for member in range(members))


@register("score", "leave_one_out", source="Ghorbani & Zou 2019, arXiv 1904.02868")
@dataclass(frozen=True, kw_only=True)
class LeaveOneOut:
    """v(N) − v(N∖{i}): what the aggregate would lose without the member."""

    game: Game = "fixed"
    value: Value = "loss"

    async def scores(self, scoring: ScoringRound, engine: CoalitionLosses) -> tuple[float, ...]:
        """Takes n + 2 evaluations."""
        return await coalition_scores(self, scoring, engine)

    def coalitions(self, members: int) -> tuple[int, ...]:
        """Everybody, and everybody but one; the empty coalition's value is 0 and not asked for."""
        everybody = (1 << members) - 1
        without_one = (everybody ^ 1 << member for member in range(members))
        return (everybody, *(coalition for coalition in without_one if coalition))

    def combine(self, members: int, values: Mapping[int, float]) -> tuple[float, ...]:
        """Differences to everybody's value."""
        everybody = (1 << members) - 1
        return tuple(
            values[everybody] - values.get(everybody ^ 1 << member, 0.0) for member in range(members)
        )
