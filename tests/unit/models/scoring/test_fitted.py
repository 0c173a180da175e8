# SPDX-License-Identifier: Apache-2.0
"""The quadratic fit asks for few coalitions and combines them as promised."""

from __future__ import annotations

import pytest

from bcfl.models.scoring.fitted import ShapleyFitted
from bcfl.models.scoring.shapley import Shapley
from bcfl.registry import create

# v({0}) = 1, v({1}) = 2, v({2}) = 0, pairs gain 1 with each other, and all three lose 3 again
_CUBIC = {0: 0.0, 1: 1.0, 2: 2.0, 4: 0.0, 3: 4.0, 5: 2.0, 6: 3.0, 7: 3.0}.__getitem__


@pytest.mark.asyncio
async def test_values_by_hand(make_engine, make_round):
    scores = await ShapleyFitted().scores(make_round(3), make_engine(_CUBIC))
    assert scores == ((1 + 3 - 3) / 2, (2 + 3 - 2) / 2, (0 + 3 - 4) / 2)


@pytest.mark.parametrize("members", [1, 2, 3, 10, 40])
@pytest.mark.asyncio
async def test_it_asks_for_everybody_each_alone_and_everybody_but_one_once(make_engine, make_round, members):
    engine = make_engine(lambda coalition: float(coalition.bit_count()))
    scores = await ShapleyFitted().scores(make_round(members), engine)
    everybody = (1 << members) - 1
    ones = {1 << member for member in range(members)}
    assert sorted(engine.asked) == sorted({0, everybody, *ones, *(everybody ^ one for one in ones)})
    assert len(engine.batches) == 1
    assert scores == (1.0,) * members


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.asyncio
async def test_one_and_two_members_get_their_exact_values(make_engine, make_round, members):
    exact = await Shapley().scores(make_round(members), make_engine(_CUBIC))
    assert await ShapleyFitted().scores(make_round(members), make_engine(_CUBIC)) == exact


@pytest.mark.asyncio
async def test_nobody_gets_nothing(make_engine, make_round):
    engine = make_engine(_CUBIC)
    assert await ShapleyFitted().scores(make_round(0), engine) == ()
    assert engine.asked == []


@pytest.mark.asyncio
async def test_efficient_values_sum_to_everybodys_value(make_engine, make_round):
    plain = await ShapleyFitted().scores(make_round(3), make_engine(_CUBIC))
    efficient = await ShapleyFitted(efficient=True).scores(make_round(3), make_engine(_CUBIC))
    assert sum(plain) == 1.5
    assert efficient == pytest.approx([2 * score for score in plain])


@pytest.mark.parametrize("everybody", [-3.0, -1.0, 0.0])
@pytest.mark.asyncio
async def test_values_stay_where_no_positive_factor_makes_them_efficient(make_engine, make_round, everybody):
    def value(coalition):
        return everybody if coalition == 7 else 3.0 * (coalition.bit_count() == 1)

    plain = await ShapleyFitted().scores(make_round(3), make_engine(value))
    assert await ShapleyFitted(efficient=True).scores(make_round(3), make_engine(value)) == plain


@pytest.mark.parametrize(("game", "fixed"), [("fixed", True), ("mean", False)])
@pytest.mark.asyncio
async def test_it_plays_the_game_and_takes_the_value_that_it_is_told(make_engine, make_round, game, fixed):
    engine = make_engine(_CUBIC)
    score = create("score", "shapley_fitted", {"game": game, "value": "accuracy"})
    by_accuracy = await score.scores(make_round(3), engine)
    assert engine.weights == [(1 / 3,) * 3 if fixed else None]
    assert by_accuracy == await ShapleyFitted().scores(make_round(3), make_engine(_CUBIC))
