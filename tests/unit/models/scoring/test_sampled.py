# SPDX-License-Identifier: Apache-2.0
"""Sampled values repeat, ask for no coalition twice, and stop where they say."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from bcfl.models.scoring.sampled import GtgShapley, TmcShapley, _generator, _shuffled
from bcfl.models.scoring.shapley import Shapley
from bcfl.registry import InvalidParameters, create

_SAMPLED = [TmcShapley(), GtgShapley()]


def _uneven(coalition):
    """Members are worth 1, 2, 3, ...; whoever is together with the first adds half as much again."""
    alone = sum(member + 1 for member in range(12) if coalition >> member & 1)
    return alone * (1.5 if coalition & 1 else 1.0)


def _additive(coalition):
    return float(sum(member + 1 for member in range(12) if coalition >> member & 1))


@pytest.mark.parametrize("score", _SAMPLED, ids=lambda score: type(score).__name__)
@pytest.mark.asyncio
async def test_no_coalition_is_asked_for_twice_and_a_batch_is_as_wide_as_its_orders(
    score, make_engine, make_round
):
    engine = make_engine(_uneven)
    await score.scores(make_round(8), engine)
    assert len(engine.asked) == len(set(engine.asked))
    assert set(engine.batches[0]) == {0, (1 << 8) - 1}
    # the empty and the full coalition are known; the first step asks for every member alone
    assert sorted(engine.batches[1]) == [1 << member for member in range(8)]
    assert all(batch for batch in engine.batches)


@pytest.mark.parametrize("score", _SAMPLED, ids=lambda score: type(score).__name__)
@pytest.mark.asyncio
async def test_the_same_seed_and_round_give_the_same_and_others_do_not(score, make_engine, make_round):
    first = await score.scores(make_round(8), make_engine(_uneven))
    assert await score.scores(make_round(8), make_engine(_uneven)) == first
    assert await score.scores(make_round(8, content=1), make_engine(_uneven)) != first
    assert await type(score)(seed=1).scores(make_round(8), make_engine(_uneven)) != first


@pytest.mark.parametrize("score", _SAMPLED, ids=lambda score: type(score).__name__)
@pytest.mark.asyncio
async def test_members_who_do_not_interact_get_what_they_bring(score, make_engine, make_round):
    values = await type(score)(truncation=0.0).scores(make_round(8), make_engine(_additive))
    assert values == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8])


@pytest.mark.parametrize("score", _SAMPLED, ids=lambda score: type(score).__name__)
@pytest.mark.parametrize("value", ["loss", "accuracy", "probability"])
@pytest.mark.asyncio
async def test_values_are_near_exact_ones_and_sum_to_everybodys(score, value, make_engine, make_round):
    exact = await Shapley().scores(make_round(8), make_engine(_uneven))
    found = await type(score)(truncation=0.0, value=value).scores(make_round(8), make_engine(_uneven))
    assert sum(found) == pytest.approx(sum(exact))
    assert found == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize("score", _SAMPLED, ids=lambda score: type(score).__name__)
@pytest.mark.asyncio
async def test_nobody_gets_nothing_and_one_member_gets_all(score, make_engine, make_round):
    assert await score.scores(make_round(0), make_engine(_uneven)) == ()
    assert await score.scores(make_round(1), make_engine(_uneven)) == (1.5,)


@pytest.mark.parametrize("score", [TmcShapley(truncation=0.3), GtgShapley(truncation=3.0)], ids=str)
@pytest.mark.asyncio
async def test_an_order_ends_when_it_is_near_everybodys_value(score, make_engine, make_round):
    engine = make_engine(lambda coalition: min(10.0, 2.0 * coalition.bit_count()))
    values = await score.scores(make_round(10), engine)
    # the fourth member to join brings an order to 8 of 10, which is near enough: nobody joins as the fifth
    assert {coalition.bit_count() for coalition in engine.asked} == {0, 1, 2, 3, 4, 10}
    assert sum(values) == pytest.approx(8.0)


@pytest.mark.asyncio
async def test_without_truncation_an_order_goes_on_past_a_coalition_that_is_worth_as_much_as_everybody(
    make_engine, make_round
):
    values = {0: 0.0, 1: 1.0, 2: 0.0, 3: 3.0, 4: 0.0, 5: 1.0, 6: 0.0, 7: 1.0}
    found = await TmcShapley(truncation=0.0, orders=600).scores(
        make_round(3), make_engine(values.__getitem__)
    )
    exact = await Shapley().scores(make_round(3), make_engine(values.__getitem__))
    assert found == pytest.approx(exact, abs=0.15)


@pytest.mark.parametrize("worth", [0.01, -0.01, 0.0])
@pytest.mark.asyncio
async def test_a_round_that_changes_little_is_truncated(worth, make_engine, make_round):
    engine = make_engine(lambda coalition: worth * (coalition == 0b111) + (coalition in (1, 2, 4)))
    truncating = GtgShapley(round_truncation=0.0101)
    assert await truncating.scores(make_round(3), engine) == (0.0, 0.0, 0.0)
    assert sorted(engine.asked) == [0, 7]
    scored = await GtgShapley(round_truncation=0.0099).scores(make_round(3), engine)
    assert (scored != (0.0, 0.0, 0.0)) == (worth != 0)


@pytest.mark.asyncio
async def test_gtg_stops_when_its_means_have_settled(make_engine, make_round, monkeypatch):
    settled, unsettled = make_engine(_additive), make_engine(_uneven)
    walked = []
    from bcfl.models.scoring import sampled

    original = sampled._marginals

    async def counting(values, orders, *, slack):
        walked.append([order[0] for order in orders])
        return await original(values, orders, slack=slack)

    monkeypatch.setattr(sampled, "_marginals", counting)
    await GtgShapley().scores(make_round(8), settled)
    # turns of eight, each member first once in every turn; at least thirty orders
    assert walked == [list(range(8))] * 4
    walked.clear()
    await GtgShapley(convergence=0.0, orders=50).scores(make_round(8), unsettled)
    assert sum(map(len, walked)) == 50


def test_every_order_is_as_likely_as_any_other(make_round):
    draw = _generator("test", 0, make_round(3))
    counts = Counter(_shuffled(draw, range(3)) for _ in range(6000))
    assert set(counts) == set(itertools.permutations(range(3)))
    chi_square = sum((count - 1000) ** 2 / 1000 for count in counts.values())
    assert chi_square < 20.5  # the 99.9th percentile at five degrees of freedom


@pytest.mark.asyncio
async def test_tmc_is_unbiased(make_engine, make_round):
    """The mean over 300 seeds of five orders each is within four standard errors of the exact values."""
    values = {coalition: float((coalition * 2654435761 >> 7) % 101) for coalition in range(1, 32)}
    engine = make_engine(lambda coalition: values.get(coalition, 0.0))
    exact = await Shapley().scores(make_round(5), engine)
    found = [
        await TmcShapley(seed=seed, orders=5, truncation=0.0).scores(make_round(5), engine)
        for seed in range(300)
    ]
    for member in range(5):
        column = [scores[member] for scores in found]
        mean = sum(column) / len(column)
        deviation = (sum((score - mean) ** 2 for score in column) / (len(column) - 1)) ** 0.5
        assert abs(mean - exact[member]) < 4 * deviation / len(column) ** 0.5
        assert deviation > 0


@pytest.mark.parametrize("name", ["tmc_shapley", "gtg_shapley"])
def test_at_least_one_order_is_walked(name):
    with pytest.raises(InvalidParameters, match="at least one order"):
        create("score", name, {"orders": 0})
