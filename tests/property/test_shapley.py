# SPDX-License-Identifier: Apache-2.0
"""Shapley's axioms hold for any game of up to six members."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.scoring.shapley import shapley_values

_VALUE = st.floats(-1e3, 1e3)


@st.composite
def games(draw, least=1):
    members = draw(st.integers(least, 6))
    values = draw(st.lists(_VALUE, min_size=(1 << members) - 1, max_size=(1 << members) - 1))
    return members, dict(enumerate(values, start=1))


def _swapped(coalition, one, two):
    bits = coalition >> one & 1, coalition >> two & 1
    return coalition & ~(1 << one | 1 << two) | bits[0] << two | bits[1] << one


@given(games())
@settings(deadline=None)
def test_efficiency_the_values_share_out_what_everybody_achieves(game):
    members, values = game
    assert math.fsum(shapley_values(members, values)) == pytest.approx(values[(1 << members) - 1], abs=1e-8)


@given(games(least=2), st.data())
@settings(deadline=None)
def test_symmetry_interchangeable_members_get_the_same_to_the_last_bit(game, data):
    members, values = game
    one, two = data.draw(st.permutations(range(members)))[:2]
    symmetric = {
        coalition: max(value, values[_swapped(coalition, one, two)]) for coalition, value in values.items()
    }
    shares = shapley_values(members, symmetric)
    assert shares[one] == shares[two]


@given(games(), st.data())
@settings(deadline=None)
def test_a_null_player_gets_nothing(game, data):
    members, values = game
    null = data.draw(st.integers(0, members - 1))
    without = {coalition: values.get(coalition & ~(1 << null), 0.0) for coalition in values}
    assert shapley_values(members, without)[null] == 0.0


@given(games(), st.data())
@settings(deadline=None)
def test_additivity_the_sum_of_two_games_pays_the_sum(game, data):
    members, one = game
    other = {coalition: data.draw(_VALUE) for coalition in one}
    both = {coalition: one[coalition] + other[coalition] for coalition in one}
    expected = [
        a + b for a, b in zip(shapley_values(members, one), shapley_values(members, other), strict=True)
    ]
    assert shapley_values(members, both) == pytest.approx(expected, abs=1e-8)


@given(games())
@settings(max_examples=30, deadline=None)
def test_the_values_are_means_over_all_orders_of_joining(game):
    members, values = game
    totals = [0.0] * members
    for order in itertools.permutations(range(members)):
        coalition = 0
        for member in order:
            joined = coalition | 1 << member
            totals[member] += values[joined] - values.get(coalition, 0.0)
            coalition = joined
    means = [total / math.factorial(members) for total in totals]
    assert shapley_values(members, values) == pytest.approx(means, abs=1e-8)
