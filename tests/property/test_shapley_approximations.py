# SPDX-License-Identifier: Apache-2.0
"""What approximate Shapley values keep of the axioms, and how near they are on any game."""

from __future__ import annotations

import itertools
import math

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.fitted import ShapleyFitted, fitted_values
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.scoring.sampled import GtgShapley, TmcShapley
from bcfl.models.scoring.shapley import shapley_values

_VALUE = st.floats(-1e3, 1e3)
_NETWORK = Mlp(inputs=1, hidden=0, classes=2)
_START = initial_weights(_NETWORK, 0)


@st.composite
def games(draw, least=1, most=6):
    members = draw(st.integers(least, most))
    values = draw(st.lists(_VALUE, min_size=(1 << members) - 1, max_size=(1 << members) - 1))
    return members, dict(enumerate(values, start=1))


@st.composite
def quadratic_games(draw):
    """v(S) is the sum of what members bring alone and of what pairs bring together."""
    members = draw(st.integers(1, 7))
    matrix = draw(
        st.lists(st.lists(_VALUE, min_size=members, max_size=members), min_size=members, max_size=members)
    )
    values = {}
    for coalition in range(1, 1 << members):
        inside = [member for member in range(members) if coalition >> member & 1]
        values[coalition] = math.fsum(matrix[one][other] for one in inside for other in inside)
    return members, values


def _swapped(coalition, one, two):
    bits = coalition >> one & 1, coalition >> two & 1
    return coalition & ~(1 << one | 1 << two) | bits[0] << two | bits[1] << one


@given(quadratic_games())
@settings(deadline=None)
def test_the_fit_is_exact_where_members_interact_in_pairs(game):
    members, values = game
    assert fitted_values(members, values) == pytest.approx(shapley_values(members, values), abs=1e-8)


@given(quadratic_games())
@settings(deadline=None)
def test_the_fit_is_then_efficient(game):
    members, values = game
    assert math.fsum(fitted_values(members, values)) == pytest.approx(values[(1 << members) - 1], abs=1e-8)


@given(games())
@settings(deadline=None)
def test_the_efficient_fit_sums_to_everybodys_value_or_stays_as_it_was(game):
    members, values = game
    everybody = values[(1 << members) - 1]
    plain, efficient = (ShapleyFitted(efficient=wanted).combine(members, values) for wanted in (False, True))
    total = math.fsum(plain)
    if total and everybody and (total > 0) == (everybody > 0):  # a product of small numbers may underflow
        largest = max(map(abs, efficient))
        assert math.fsum(efficient) == pytest.approx(everybody, abs=1e-9 * max(1.0, largest))
    else:
        assert efficient == pytest.approx(plain)


@given(games(least=2), st.data())
@settings(deadline=None)
def test_symmetry_of_the_fit_to_the_last_bit(game, data):
    members, values = game
    one, two = data.draw(st.permutations(range(members)))[:2]
    symmetric = {
        coalition: max(value, values[_swapped(coalition, one, two)]) for coalition, value in values.items()
    }
    fitted = fitted_values(members, symmetric)
    assert fitted[one] == fitted[two]


@given(games(), st.data())
@settings(deadline=None)
def test_a_null_player_gets_nothing_from_the_fit(game, data):
    members, values = game
    null = data.draw(st.integers(0, members - 1))
    without = {coalition: values.get(coalition & ~(1 << null), 0.0) for coalition in values}
    assert fitted_values(members, without)[null] == 0.0


@given(games(), st.data())
@settings(deadline=None)
def test_additivity_of_the_fit(game, data):
    members, one = game
    other = {coalition: data.draw(_VALUE) for coalition in one}
    both = {coalition: one[coalition] + other[coalition] for coalition in one}
    expected = [
        a + b for a, b in zip(fitted_values(members, one), fitted_values(members, other), strict=True)
    ]
    assert fitted_values(members, both) == pytest.approx(expected, abs=1e-8)


class _Engine:
    def __init__(self, values):
        self._values = values

    async def coalition_losses(self, network, start, updates, weights, coalitions, samples_key):
        return [-self._values.get(coalition, 0.0) for coalition in coalitions]


def _sampled(score, members, values):
    scoring = ScoringRound(
        network=_NETWORK,
        start=_START,
        updates=(_START,) * members,
        weights=(1 / members,) * members,
        samples_key="test",
    )
    return anyio.run(score.scores, scoring, _Engine(values))


def _standard_errors(members, values, orders):
    """Of the mean marginal value over that many random orders, from all orders."""
    rows = []
    for order in itertools.permutations(range(members)):
        row, coalition = [0.0] * members, 0
        for member in order:
            joined = coalition | 1 << member
            row[member] = values[joined] - values.get(coalition, 0.0)
            coalition = joined
        rows.append(row)
    return np.std(rows, axis=0) / math.sqrt(orders)


_ORDERS = 200
_SCORES = {
    "tmc": TmcShapley(orders=_ORDERS, truncation=0.0),
    "gtg": GtgShapley(orders=_ORDERS, truncation=0.0, round_truncation=-1.0, convergence=0.0),
}


@pytest.mark.parametrize("score", _SCORES.values(), ids=_SCORES)
@given(game=games(least=2, most=5), seed=st.integers(0, 2**63))
@settings(max_examples=25, deadline=None)
def test_two_hundred_orders_are_within_six_standard_errors_of_exact(score, game, seed):
    members, values = game
    found = _sampled(type(score)(**{**vars(score), "seed": seed}), members, values)
    exact = shapley_values(members, values)
    tolerance = 6 * _standard_errors(members, values, _ORDERS) + 1e-8
    assert (np.abs(np.subtract(found, exact)) <= tolerance).all()


@pytest.mark.parametrize("score", _SCORES.values(), ids=_SCORES)
@given(game=games())
@settings(max_examples=25, deadline=None)
def test_sampled_values_without_truncation_share_out_what_everybody_achieves(score, game):
    members, values = game
    assert math.fsum(_sampled(score, members, values)) == pytest.approx(values[(1 << members) - 1], abs=1e-8)


@pytest.mark.parametrize("score", _SCORES.values(), ids=_SCORES)
@given(game=games(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_null_player_gets_nothing_from_any_order(score, game, data):
    members, values = game
    null = data.draw(st.integers(0, members - 1))
    without = {coalition: values.get(coalition & ~(1 << null), 0.0) for coalition in values}
    assert _sampled(score, members, without)[null] == 0.0
