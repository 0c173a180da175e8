# SPDX-License-Identifier: Apache-2.0
"""What an update is worth and how sure that is; evidence of harm only above the noise of the round."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.models.defences.defence import DefenceRound
from bcfl.models.defences.evidence import FEATURES, EvidenceWeights, Features
from bcfl.models.defences.worth import worth_of
from bcfl.models.weights import Weights


class _Losses:
    """An engine for which a model's loss on sample s is (θ₀ − aim_s)², θ₀ its first weight."""

    def __init__(self, aims):
        self._aims = np.array(aims)

    async def class_losses(self, _network, models, _key, *, by_sample):
        assert by_sample
        first = np.array([model.vector[0] for model in models], dtype=np.float64)
        losses = np.square(first[:, None] - self._aims)
        return type("Found", (), {"by_sample": losses.astype(np.float32)})()


async def _worth(federation, steps, aims, weights=None):
    async with federation() as task:
        start = Weights(task.start.schema, np.zeros_like(task.start.vector))
        made = DefenceRound(
            number=1,
            network=None,
            samples_key="v",
            start=start,
            members=(),
            invalid={},
            absent=frozenset(),
            suspended=frozenset(),
        )
        models = []
        for step in steps:
            vector = np.zeros_like(start.vector)
            vector[0] = step
            models.append(Weights(start.schema, vector))
        return await worth_of(made, models, weights or [1] * len(models), _Losses(aims))


@pytest.mark.asyncio
async def test_values_are_those_of_the_game_and_sum_to_what_everybody_gains(federation):
    found = await _worth(federation, [1.0, 2.0, -1.0], [1.0, 1.2, 0.8])
    # everybody's mean step is 2/3: the loss falls from 1 by 2·(2/3) − (2/3)²
    assert found.values.sum() == pytest.approx(2 * (2 / 3) - (2 / 3) ** 2, rel=1e-4)
    assert found.values[2] < 0 < found.values[0] < found.values[1]
    assert 0 < found.gain < 1


@pytest.mark.asyncio
async def test_the_weights_are_those_of_the_game(federation):
    light, heavy = (await _worth(federation, [1.0, 1.0], [5.0, 6.0], weights=[1, 3])).values
    assert heavy == pytest.approx(3 * light, rel=1e-3)
    alike = (await _worth(federation, [1.0, 1.0], [5.0, 6.0], weights=[0, 0])).values
    assert alike[0] == pytest.approx(alike[1])


@pytest.mark.asyncio
async def test_what_samples_do_not_agree_on_is_uncertain(federation):
    agreed = await _worth(federation, [1.0, -1.0], [0.9, 1.0, 1.1] * 10)
    split = await _worth(federation, [1.0, -1.0], [5.0, -5.0, 0.1] * 10)
    assert agreed.certainty[1] < -10
    assert abs(split.certainty[1]) < 2


@pytest.mark.asyncio
async def test_a_broken_update_is_certain_harm_and_hides_no_other(federation):
    found = await _worth(federation, [1.0, np.nan, 1.0], [1.0, 1.1, 0.9])
    assert np.isfinite(found.certainty).all()
    assert found.values[1] < 0


def _found(count=5, **columns):
    usual = {
        "spread": 1.0,
        "alignment": 3.0,
        "improvement": 0.5,
        "agreement": 3.0,
        "marginal": 1.0,
        "length": 1.0,
        "certainty": 5.0,
    }
    hostile = {
        "spread": -1.0,
        "alignment": -3.0,
        "improvement": -0.5,
        "agreement": -6.0,
        "marginal": -2.0,
        "length": 1.0,
        "certainty": -8.0,
    } | columns
    return Features(**{name: np.array([usual[name]] * (count - 1) + [hostile[name]]) for name in FEATURES})


def test_harm_within_the_noise_of_a_round_that_learns_nothing_is_no_evidence():
    weights = EvidenceWeights()
    assert weights.evidence(_found(certainty=-1.4), gain=0.0)[-1] == -weights.drift
    assert weights.evidence(_found(certainty=-8.0), gain=0.0)[-1] == weights.most
    assert 0 < weights.evidence(_found(certainty=-2.5), gain=0.0)[-1] < weights.most / 2


def test_where_much_is_learnt_what_is_unusual_tells_by_itself():
    assert EvidenceWeights().evidence(_found(certainty=0.0), gain=0.5)[-1] == EvidenceWeights().most


def test_honest_work_speaks_for_itself_however_little_is_learnt():
    found = _found()
    assert (EvidenceWeights().evidence(found, gain=0.0)[:-1] < 0).all()
    empty = dataclasses.replace(found, **{name: np.zeros(0) for name in FEATURES})
    assert len(EvidenceWeights().evidence(empty, gain=0.0)) == 0


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.asyncio
async def test_what_coalitions_it_evaluated_is_told_by_their_masks(federation, count):
    steps, aims = [1.0, 2.0, -1.0, 0.5][:count], [1.0, 1.2, 0.8]
    found = await _worth(federation, steps, aims)
    everybody = (1 << count) - 1
    alone = [1 << place for place in range(count)]
    assert found.losses.keys() == {0, everybody, *alone, *(everybody ^ one for one in alone)}
    for coalition, loss in found.losses.items():
        moved = sum(step for place, step in enumerate(steps) if coalition >> place & 1) / count
        assert loss == pytest.approx(np.mean([(moved - aim) ** 2 for aim in aims]), rel=1e-5)


@pytest.mark.asyncio
async def test_a_broken_coalition_has_no_finite_loss(federation):
    found = await _worth(federation, [1.0, np.nan], [1.0, 1.1])
    assert np.isinf(found.losses[2])
    assert np.isfinite(found.losses[1])


@pytest.mark.asyncio
async def test_of_nobody_nothing_is_worth_anything(federation):
    found = await _worth(federation, [], [1.0])
    assert (len(found.values), found.losses) == (0, {})
