# SPDX-License-Identifier: Apache-2.0
"""Shapley values of the quadratic game that fits everybody's value, the values alone and those without one.

A game has pairwise interactions only if v(S) = Σᵢ aᵢ + Σᵢⱼ bᵢⱼ over its members and their pairs (Grabisch 1997 calls
it 2-additive). Then φᵢ = aᵢ + ½ Σⱼ bᵢⱼ, and that is the mean of what i brings to nobody and to everybody else.
For other games the same mean is the trapezoid rule on Owen's integral (1972) of i's expected marginal value,
which is a polynomial in the chance that each other member is there.

With fixed aggregation weights a coalition's step is the sum of its members' steps, so a loss that is nearly
quadratic along them makes a game that is nearly so. In the mean game a coalition's step shrinks as it grows:
pairs do not describe that, and the fit is far off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bcfl.models.scoring.game import CoalitionLosses, Game, ScoringRound, Value, coalition_scores
from bcfl.registry import register

__all__ = ("ShapleyFitted", "fitted_values")


def fitted_values(members: int, values: Mapping[int, float]) -> tuple[float, ...]:
    """φᵢ = ½[v({i}) + v(N) − v(N∖{i})].

    Args:
        members: n.
        values: v of everybody, of each member alone and of everybody but one, by bit mask; v(∅) is 0 unless given.
    """
    everybody = (1 << members) - 1
    return tuple(
        (values[1 << member] + values[everybody] - values.get(everybody ^ 1 << member, 0.0)) / 2
        for member in range(members)
    )


@register("score", "shapley_fitted", source="Owen 1972, doi 10.1287/mnsc.18.5.64; Grabisch 1997")
@dataclass(frozen=True, kw_only=True)
class ShapleyFitted:
    """Shapley values of a quadratic fit, from 2n + 2 evaluations: exact where members interact in pairs only.

    ``efficient`` multiplies the values so that they sum to everybody's value, as exact ones do. Where everybody's
    value and the sum have different signs, or one is 0, no such factor makes sense and the values stay as they are.
    """

    game: Game = "fixed"
    value: Value = "loss"
    efficient: bool = False

    async def scores(self, scoring: ScoringRound, engine: CoalitionLosses) -> tuple[float, ...]:
        """Takes 2n + 2 evaluations, that of the start among them."""
        return await coalition_scores(self, scoring, engine)

    def coalitions(self, members: int) -> tuple[int, ...]:
        """Everybody, each alone, everybody but one; each once, also where one or two members make them coincide."""
        everybody = (1 << members) - 1
        alone = [1 << member for member in range(members)]
        wanted = (everybody, *alone, *(everybody ^ one for one in alone))
        return tuple(coalition for coalition in dict.fromkeys(wanted) if coalition)

    def combine(self, members: int, values: Mapping[int, float]) -> tuple[float, ...]:
        """The fit's Shapley values."""
        fitted = fitted_values(members, values)
        if not self.efficient:
            return fitted
        total, everybody = math.fsum(fitted), values[(1 << members) - 1]
        # compared by sign, as a product or a quotient of small numbers may underflow
        if total == 0 or everybody == 0 or (total > 0) != (everybody > 0):
            return fitted
        return tuple(share / total * everybody for share in fitted)
