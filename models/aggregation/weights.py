# SPDX-License-Identifier: Apache-2.0
"""Integer aggregation weights, published before the fold so that anybody can repeat it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bcfl.models.aggregation.fold import INTEGER_LIMIT
from bcfl.models.errors import InvalidFold
from bcfl.registry import register

__all__ = ("Aggregator", "FedAvg", "integer_weights", "proportions")


class Aggregator(Protocol):
    """An entry of kind ``aggregator``: it says how much each update of a round weighs in the next model."""

    def integer_weights(self, *, samples: Sequence[int], scores: Sequence[float]) -> tuple[int, ...]:
        """One integer in 0 … 2²⁹ − 1 for each update; all zero means: keep the model.

        Args:
            samples: the number of samples that each member claims.
            scores: each member's score of this round.
        """
        ...


@register("aggregator", "fedavg", source="McMahan et al. 2017, arXiv 1602.05629")
@dataclass(frozen=True, kw_only=True)
class FedAvg:
    """The mean of the updates: by claimed samples, by positive score, or unweighted as in the published experiments."""

    by: Literal["samples", "score", "unweighted"] = "samples"

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


def integer_weights(amounts: Sequence[float]) -> tuple[int, ...]:
    """Integers below 2²⁹ in proportion to the amounts, as exact as that allows.

    Whole numbers below 2²⁹ stay as they are; anything else is scaled by a power of two, which is exact,
    until the largest has 29 bits, and rounded down.

    Raises:
        InvalidFold: an amount is negative or not finite.
    """
    if any(not (math.isfinite(amount) and amount >= 0) for amount in amounts):
        raise InvalidFold(f"Aggregation weights come from finite amounts of at least 0, not {list(amounts)}.")
    largest = max(amounts, default=0)
    if all(float(amount).is_integer() for amount in amounts) and largest < INTEGER_LIMIT:
        return tuple(int(amount) for amount in amounts)
    # frexp: largest = m·2^exponent with ½ ≤ m < 1, so that largest·2^(29−exponent) lies below 2²⁹
    exponent = math.frexp(float(largest))[1]
    return tuple(
        min(math.floor(math.ldexp(float(amount), 29 - exponent)), INTEGER_LIMIT - 1) for amount in amounts
    )


def proportions(integers: Sequence[int]) -> tuple[float, ...]:
    """The aggregation weights pᵢ = kᵢ/Σk that the integers stand for; all 0 if they are all zero."""
    total = sum(integers)
    return tuple(integer / total if total else 0.0 for integer in integers)
