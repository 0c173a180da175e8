# SPDX-License-Identifier: Apache-2.0
"""Integer aggregation weights, published before the fold so that anybody can repeat it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bcfl.models.aggregation.fold import INTEGER_LIMIT
from bcfl.models.errors import InvalidFold

__all__ = ("integer_weights", "proportions")


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
