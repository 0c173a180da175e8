# SPDX-License-Identifier: Apache-2.0
"""Scores are the promised functions of coalition losses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bcfl.models.errors import InvalidRound, TooManyMembers
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import LOSS_CEILING, ScoringRound
from bcfl.models.scoring.marginal import LeaveOneOut, Step
from bcfl.models.scoring.shapley import MOST_MEMBERS, Shapley, ShapleyMean, shapley_values
from bcfl.registry import create

_NETWORK = Mlp(inputs=2, hidden=0, classes=2)
_START = initial_weights(_NETWORK, 0)


class _Losses:
    """Losses from a function of the coalition's bit mask; remembers how it was asked."""

    def __init__(self, loss):
        self.loss = loss
        self.asked = []

    async def coalition_losses(self, network, start, updates, weights, coalitions, samples_key):
        self.asked.append((weights, list(coalitions), samples_key))
        return [self.loss(coalition) for coalition in coalitions]


def _round(members):
    return ScoringRound(
        network=_NETWORK,
        start=_START,
        updates=(_START,) * members,
        weights=(1 / members,) * members if members else (),
        samples_key="test",
    )


# v({0}) = 1, v({1}) = 2, v({0, 1}) = 4
_TABLE = {0b00: 10.0, 0b01: 9.0, 0b10: 8.0, 0b11: 6.0}.__getitem__


@pytest.mark.asyncio
async def test_known_values_of_two_members():
    assert await Step().scores(_round(2), _Losses(_TABLE)) == (1.0, 2.0)
    assert await LeaveOneOut().scores(_round(2), _Losses(_TABLE)) == (2.0, 3.0)
    assert await Shapley().scores(_round(2), _Losses(_TABLE)) == (1.5, 2.5)
    assert await ShapleyMean().scores(_round(2), _Losses(_TABLE)) == (1.5, 2.5)


@pytest.mark.parametrize(
    ("score", "fixed"),
    [
        (Step(), False),
        (Step(game="fixed"), True),
        (LeaveOneOut(), True),
        (Shapley(), True),
        (ShapleyMean(), False),
    ],
    ids=str,
)
@pytest.mark.asyncio
async def test_each_score_plays_its_game_on_the_rounds_samples(score, fixed):
    losses = _Losses(_TABLE)
    await score.scores(_round(2), losses)
    weights, coalitions, key = losses.asked[0]
    assert weights == ((0.5, 0.5) if fixed else None)
    assert coalitions[0] == 0
    assert len(set(coalitions)) == len(coalitions)
    assert key == "test"


def test_each_score_asks_for_no_more_than_it_needs():
    assert Step().coalitions(3) == (0b001, 0b010, 0b100)
    assert LeaveOneOut().coalitions(3) == (0b111, 0b110, 0b101, 0b011)
    assert Shapley().coalitions(3) == (1, 2, 3, 4, 5, 6, 7)


@pytest.mark.parametrize("score", [Step(), LeaveOneOut(), Shapley()], ids=str)
@pytest.mark.asyncio
async def test_one_member_gets_everything_and_nobody_gets_nothing(score):
    assert await score.scores(_round(1), _Losses([5.0, 2.0].__getitem__)) == (3.0,)
    assert await score.scores(_round(0), _Losses(_TABLE)) == ()


@pytest.mark.parametrize("broken", [math.nan, math.inf, 1e300])
@pytest.mark.asyncio
async def test_a_broken_update_does_not_touch_the_others_scores(broken):
    honest = await Shapley().scores(_round(2), _Losses(_TABLE))
    with_broken = await Shapley().scores(_round(3), _Losses(lambda s: broken if s & 0b100 else _TABLE(s)))
    assert all(math.isfinite(score) for score in with_broken)
    assert with_broken[2] == pytest.approx(-LOSS_CEILING, rel=1e-4)
    # two thirds of the orders let the member join before the broken one or with nobody: its value stays positive
    assert np.sign(with_broken[:2]).tolist() == np.sign(honest).tolist() == [1, 1]


def test_too_many_members_are_refused_before_anything_is_computed():
    with pytest.raises(TooManyMembers, match=r"17 members need 131071 evaluations.*leave_one_out"):
        Shapley().coalitions(MOST_MEMBERS + 1)


def test_sixteen_members_are_feasible():
    scores = shapley_values(16, {coalition: float(coalition.bit_count()) for coalition in range(1, 1 << 16)})
    assert scores == pytest.approx((1.0,) * 16)


def test_a_round_needs_a_finite_weight_for_each_update():
    with pytest.raises(InvalidRound):
        ScoringRound(network=_NETWORK, start=_START, updates=(_START,), weights=(), samples_key="t")
    with pytest.raises(InvalidRound):
        ScoringRound(network=_NETWORK, start=_START, updates=(_START,), weights=(math.nan,), samples_key="t")


@pytest.mark.parametrize("name", ["step", "leave_one_out", "shapley", "shapley_mean"])
def test_scores_come_from_the_registry(name):
    assert create("score", name).coalitions(2)
