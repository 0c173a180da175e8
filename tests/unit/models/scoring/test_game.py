# SPDX-License-Identifier: Apache-2.0
"""Values of coalitions: each evaluated once, by loss or by accuracy, on the engine itself too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.models.data.dataset import Samples
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import CoalitionValues, ScoringRound
from bcfl.models.scoring.marginal import LeaveOneOut, Step
from bcfl.models.scoring.shapley import Shapley, ShapleyMean
from bcfl.models.training.engine import Engine
from bcfl.registry import create


@pytest.mark.asyncio
async def test_what_is_known_is_not_asked_again(make_engine, make_round):
    engine = make_engine(float)
    values = CoalitionValues(make_round(3), engine, game="fixed")
    assert (await values.of([3, 1, 3]))[3] == 3.0
    known = await values.of([1, 5])
    assert {coalition: known[coalition] for coalition in (0, 1, 3, 5)} == {0: 0.0, 1: 1.0, 3: 3.0, 5: 5.0}
    await values.of([0, 5])
    assert engine.batches == [[0, 3, 1], [5]]


@pytest.mark.parametrize(("game", "asked"), [("fixed", [2, 3]), ("mean", [0, 1, 2, 3])])
@pytest.mark.asyncio
async def test_losses_that_a_round_brings_are_those_of_the_fixed_game_alone(
    make_engine, make_round, game, asked
):
    engine = make_engine(float)
    # the made-up losses are 10 − value
    brought = dataclasses.replace(make_round(2), losses={0: 10.0, 1: 8.5})
    values = await CoalitionValues(brought, engine, game=game).of([1, 2, 3])
    assert engine.batches == [asked]
    assert values == {0: 0.0, 1: 1.5 if game == "fixed" else 1.0, 2: 2.0, 3: 3.0}


@pytest.mark.asyncio
async def test_losses_that_a_round_brings_are_no_accuracies(make_engine, make_round):
    engine = make_engine(float)
    brought = dataclasses.replace(make_round(2), losses={0: 10.0, 1: 8.5})
    values = await CoalitionValues(brought, engine, game="fixed", value="accuracy").of([1])
    assert values[1] == 1.0


@pytest.mark.parametrize("name", ["step", "leave_one_out", "shapley", "shapley_mean"])
@pytest.mark.asyncio
async def test_scores_by_accuracy_are_those_of_the_game_of_accuracies(name, make_engine, make_round):
    def value(coalition):
        return 0.1 + 0.2 * coalition.bit_count() ** 0.5

    by_accuracy = await create("score", name, {"value": "accuracy"}).scores(make_round(4), make_engine(value))
    for other in ("probability", "balanced_probability"):
        found = await create("score", name, {"value": other}).scores(make_round(4), make_engine(value))
        assert found == by_accuracy
    by_loss = await create("score", name).scores(make_round(4), make_engine(value))
    # the made-up losses are 10 − accuracy
    assert by_accuracy == pytest.approx(by_loss)


@pytest.mark.asyncio
async def test_a_relative_loss_pays_a_halving_alike_in_every_round(make_engine, make_round):
    score = create("score", "shapley", {"value": "relative_loss"})
    # the made-up losses are 10 − value: from 10 to 5, and to 2.5 with both
    early = await score.scores(make_round(2), make_engine(lambda coalition: [0, 5, 5, 7.5][coalition]))
    late = await score.scores(make_round(2), make_engine(lambda coalition: [9, 9.5, 9.5, 9.75][coalition]))
    assert early == pytest.approx([np.log(2)] * 2)
    assert late == pytest.approx(early)


@pytest.mark.asyncio
async def test_a_model_that_is_never_wrong_is_not_worth_infinitely_much(make_engine, make_round):
    score = create("score", "step", {"value": "relative_loss"})
    (found,) = await score.scores(make_round(1), make_engine(lambda coalition: [9, 10][coalition]))
    assert found == pytest.approx(np.log(1e9))


@pytest.mark.parametrize("score", [Step, LeaveOneOut, Shapley, ShapleyMean])
@pytest.mark.asyncio
async def test_accuracies_of_real_coalitions(score):
    network = Mlp(inputs=3, hidden=4, classes=3)
    start, *updates = (initial_weights(network, seed) for seed in range(4))
    draw = np.random.Generator(np.random.PCG64(3))
    inputs = draw.normal(size=(50, 3)).astype(np.float32)
    samples = Samples(inputs=inputs, targets=draw.integers(0, 3, 50))
    scoring = ScoringRound(
        network=network, start=start, updates=tuple(updates), weights=(0.5, 0.3, 0.2), samples_key="v"
    )
    async with Engine.start(executor="threads", workers=2) as engine:
        engine.add_samples("v", samples)
        given = (network, start, updates, scoring.weights, range(8), "v")
        evaluations = await engine.coalition_evaluations(*given)
        assert [evaluation.loss for evaluation in evaluations] == await engine.coalition_losses(*given)
        assert evaluations[0] == await engine.evaluate(network, start, "v")
        scores = await score(value="accuracy").scores(scoring, engine)
    # multiples of one sample, divided by the number of orders at most
    assert np.array(scores) * 50 * 6 == pytest.approx(np.rint(np.array(scores) * 50 * 6), abs=1e-6)
    if score is Shapley:
        assert sum(scores) == pytest.approx(evaluations[7].accuracy - evaluations[0].accuracy)
