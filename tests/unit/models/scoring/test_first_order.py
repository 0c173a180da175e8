# SPDX-License-Identifier: Apache-2.0
"""First-order scores are inner products with the gradient of the mean loss, on the engine itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bcfl.models.data.dataset import Samples
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.first_order import FirstOrder
from bcfl.models.scoring.game import LOSS_CEILING, ScoringRound
from bcfl.models.scoring.marginal import LeaveOneOut, Step
from bcfl.models.scoring.shapley import Shapley
from bcfl.models.training.engine import Engine
from bcfl.models.weights import Weights

_NETWORK = Mlp(inputs=3, hidden=0, classes=3)  # no kinks, so that derivatives say what steps do


@pytest.fixture
def samples():
    draw = np.random.Generator(np.random.PCG64(1))
    targets = np.repeat(np.arange(3), (40, 15, 5)).astype(np.int64)
    inputs = draw.normal(size=(60, 3)) + 2 * np.eye(3)[targets]
    return Samples(inputs=inputs.astype(np.float32), targets=targets)


@pytest.fixture
def make_round():
    def make(length, *, members=4):
        """Steps that agree by half, of that length each, weighed by 1, 2, 3, ..."""
        start = initial_weights(_NETWORK, 0)
        draw = np.random.Generator(np.random.PCG64(2))
        steps = draw.normal(size=(members, start.schema.size)) + draw.normal(size=start.schema.size)
        steps *= length / np.linalg.norm(steps, axis=1, keepdims=True)
        total = members * (members + 1) / 2
        return ScoringRound(
            network=_NETWORK,
            start=start,
            updates=tuple(Weights(start.schema, (start.vector + step).astype(np.float32)) for step in steps),
            weights=tuple((member + 1) / total for member in range(members)),
            samples_key="validation",
        )

    return make


async def _scores(samples, scoring, *scores):
    async with Engine.start(executor="threads") as engine:
        engine.add_samples("validation", samples)
        return [await score.scores(scoring, engine) for score in scores]


@pytest.mark.asyncio
async def test_short_steps_are_worth_their_inner_product(samples, make_round):
    found, alone, without = await _scores(
        samples,
        make_round(0.01),
        FirstOrder(),
        Step(game="fixed"),
        LeaveOneOut(),
    )
    # classes have 40, 15 and 5 samples: a plain mean of their gradients would be far off
    assert found == pytest.approx(alone, rel=0.02, abs=3e-6)
    assert found == pytest.approx(without, rel=0.02, abs=3e-6)
    assert max(map(abs, found)) > 1e-4


@pytest.mark.asyncio
async def test_each_place_is_nearest_to_what_it_stands_for(samples, make_round):
    start, aggregate, both, alone, without, exact = map(
        np.array,
        await _scores(
            samples,
            make_round(0.3),
            FirstOrder(at="start"),
            FirstOrder(at="aggregate"),
            FirstOrder(at="both"),
            Step(game="fixed"),
            LeaveOneOut(),
            Shapley(),
        ),
    )
    assert np.abs(start - alone).sum() < np.abs(aggregate - alone).sum()
    assert np.abs(aggregate - without).sum() < np.abs(start - without).sum()
    assert both == pytest.approx((start + aggregate) / 2, rel=1e-5)
    assert np.abs(both - exact).sum() < 0.1 * np.abs(start - exact).sum()


@pytest.mark.parametrize("at", ["start", "aggregate", "both"])
@pytest.mark.asyncio
async def test_a_step_of_nothing_is_worth_nothing(samples, make_round, at):
    scoring = make_round(1.0)
    idle = replace(scoring, updates=(scoring.start, *scoring.updates[1:]))
    [found] = await _scores(samples, idle, FirstOrder(at=at))
    assert found[0] == 0.0
    assert 0.0 not in found[1:]


@pytest.mark.parametrize("at", ["start", "aggregate", "both"])
@pytest.mark.parametrize("broken", [np.nan, np.inf, 3e38])
@pytest.mark.asyncio
async def test_a_broken_update_leaves_scores_that_are_numbers(samples, make_round, at, broken):
    scoring = make_round(1.0)
    vector = np.full_like(scoring.start.vector, broken)
    hostile = replace(scoring, updates=(*scoring.updates[:3], Weights(scoring.start.schema, vector)))
    [found] = await _scores(samples, hostile, FirstOrder(at=at))
    assert np.isfinite(found).all()
    assert max(map(abs, found)) <= LOSS_CEILING
    if not np.isfinite(broken):
        assert found[3] == -LOSS_CEILING


@pytest.mark.asyncio
async def test_nobody_gets_nothing(samples, make_round):
    scoring = replace(make_round(1.0), updates=(), weights=())
    assert await _scores(samples, scoring, FirstOrder()) == [()]
