# SPDX-License-Identifier: Apache-2.0
"""Integer weights are in proportion, below 2²⁹, and never negative."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.aggregation.fold import INTEGER_LIMIT
from bcfl.models.aggregation.weights import integer_weights, proportions
from bcfl.models.errors import InvalidFold


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=20))
@settings(deadline=None)
def test_weights_are_proportional_as_far_as_29_bits_go(amounts):
    weights = integer_weights(amounts)
    assert all(0 <= weight < INTEGER_LIMIT for weight in weights)
    if max(weights):
        unit = Fraction(max(amounts)) / max(weights)  # a float of that size could underflow
        assert all(
            abs(weight * unit - Fraction(amount)) <= max(Fraction(amount) / 10**8, 2 * unit)
            for weight, amount in zip(weights, amounts, strict=True)
        )


def test_counts_beyond_29_bits_are_scaled():
    assert integer_weights([2**40, 2**39]) == (2**28, 2**27)


@pytest.mark.parametrize("amounts", [[-1.0], [math.nan], [math.inf]])
def test_amounts_that_are_no_weights_are_refused(amounts):
    with pytest.raises(InvalidFold):
        integer_weights(amounts)


def test_proportions_sum_to_one_or_are_all_zero():
    assert proportions((3, 1)) == (0.75, 0.25)
    assert proportions((0, 0)) == (0.0, 0.0)
