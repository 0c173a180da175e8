# SPDX-License-Identifier: Apache-2.0
"""Integer weights are in proportion, below 2²⁹, and never negative."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.aggregation.fold import INTEGER_LIMIT
from bcfl.models.aggregation.weights import FedAvg, integer_weights, proportions
from bcfl.models.errors import InvalidFold
from bcfl.registry import InvalidParameters, create


def test_numbers_of_samples_stay_as_they_are():
    assert FedAvg().integer_weights(samples=[12_000, 0, 7], scores=[]) == (12_000, 0, 7)


def test_unweighted_is_one_each_whatever_is_claimed():
    assert FedAvg(by="unweighted").integer_weights(samples=[5, 10**9], scores=[1.0, -1.0]) == (1, 1)


def test_by_score_the_negative_have_no_weight():
    first, second, third = FedAvg(by="score").integer_weights(samples=[1, 1, 1], scores=[0.25, -3.0, 0.125])
    assert second == 0
    assert first == 2 * third
    assert INTEGER_LIMIT / 2 <= first < INTEGER_LIMIT


def test_when_no_score_is_positive_all_weights_are_zero():
    assert FedAvg(by="score").integer_weights(samples=[1, 1], scores=[-1.0, 0.0]) == (0, 0)


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=20))
@settings(deadline=None)
def test_weights_are_proportional_as_far_as_29_bits_go(amounts):
    weights = integer_weights(amounts)
    assert all(0 <= weight < INTEGER_LIMIT for weight in weights)
    if max(weights):
        unit = max(amounts) / max(weights)
        assert all(
            math.isclose(weight * unit, amount, rel_tol=1e-8, abs_tol=2 * unit)
            for weight, amount in zip(weights, amounts, strict=True)
        )


def test_counts_beyond_29_bits_are_scaled():
    assert integer_weights([2**40, 2**39]) == (2**28, 2**27)


@pytest.mark.parametrize("amounts", [[-1.0], [math.nan], [math.inf]])
def test_amounts_that_are_no_weights_are_refused(amounts):
    with pytest.raises(InvalidFold):
        integer_weights(amounts)
    if not amounts[0] < 0:
        with pytest.raises(InvalidFold):
            FedAvg(by="score").integer_weights(samples=[1], scores=amounts)


def test_proportions_sum_to_one_or_are_all_zero():
    assert proportions((3, 1)) == (0.75, 0.25)
    assert proportions((0, 0)) == (0.0, 0.0)


def test_only_known_ways_of_weighing_are_taken():
    assert create("aggregator", "fedavg", {"by": "score"}) == FedAvg(by="score")
    with pytest.raises(InvalidParameters):
        create("aggregator", "fedavg", {"by": "luck"})
