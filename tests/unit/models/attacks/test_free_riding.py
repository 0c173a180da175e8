# SPDX-License-Identifier: Apache-2.0
"""Free-riders work as little as they say, and send what is not theirs of this round."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.attacks.attack import Outlook
from bcfl.models.attacks.free_riding import DeltaWeights, ReplayGlobal, StaleResubmit, UnderTrainer

FIRST = Outlook(round=1, moved=False, cohort=10)
LATER = Outlook(round=2, moved=True, cohort=10)


@pytest.mark.parametrize(
    ("attack", "batches"),
    [
        (ReplayGlobal(), 0),
        (DeltaWeights(), 0),
        (DeltaWeights(steps=1), 1),
        (StaleResubmit(), 0),
        (UnderTrainer(share=0.1), 4),
        (UnderTrainer(share=0.001), 1),
        (UnderTrainer(share=1.0), 40),
    ],
    ids=str,
)
def test_each_works_as_little_as_it_says(attack, batches):
    assert attack.effort(40) == batches


def test_they_wait_until_there_is_something_to_send_again():
    assert ReplayGlobal().ready(FIRST)
    assert UnderTrainer().ready(FIRST)
    for attack in (DeltaWeights(), StaleResubmit()):
        assert not attack.ready(FIRST)
        assert attack.ready(LATER)


@pytest.mark.asyncio
async def test_a_replay_is_the_global_model_with_or_without_noise(scene):
    given = scene(np.zeros(5000), start=np.ones(5000))
    assert not (await ReplayGlobal(sigma=0).craft(given)).any()
    assert (await ReplayGlobal(sigma=0.01).craft(given)).std() == pytest.approx(0.01, rel=0.1)


@pytest.mark.asyncio
async def test_delta_weights_sends_the_last_step_its_noise_and_its_few_batches(scene):
    steps, own = [[9.0, 9.0], [1.0, -1.0]], [0.5, 0.25]
    assert (await DeltaWeights(sigma=0).craft(scene(own, steps=steps))).tolist() == [1.5, -0.75]
    step = np.ones(10_000)
    for number, expected in ((1, 0.5), (5, 0.1)):
        given = scene(np.zeros(10_000), steps=[step], number=number)
        noise = await DeltaWeights(sigma=0.5, adaptive=True).craft(given) - step
        assert noise.std() == pytest.approx(expected, rel=0.05)
    assert await DeltaWeights().craft(scene(own)) is None


@pytest.mark.asyncio
async def test_a_stale_update_is_the_oldest_or_the_last_of_its_own(scene):
    given = scene([0.0], start=[10.0], past=[[1.0], [2.0]], past_models=[[4.0], [8.0]])
    crafted = {
        (which, what): (await StaleResubmit(which=which, what=what).craft(given)).tolist()
        for which in ("last", "oldest")
        for what in ("update", "model")
    }
    assert crafted == {
        ("last", "update"): [2.0],
        ("oldest", "update"): [1.0],
        ("last", "model"): [-2.0],  # start + it is the old model, 8
        ("oldest", "model"): [-6.0],
    }
    assert await StaleResubmit().craft(scene([0.0])) is None


@pytest.mark.asyncio
async def test_noise_on_a_stale_update_is_relative_to_it(scene):
    old = np.full(10_000, 2.0)
    for what in ("update", "model"):
        given = scene(np.zeros(10_000), past=[old], past_models=[old])
        crafted = await StaleResubmit(what=what, sigma=0.5).craft(given)
        assert (crafted - old).std() == pytest.approx(1.0, rel=0.05)


@pytest.mark.asyncio
async def test_an_under_trainer_stretches_to_the_public_median_and_never_shrinks(scene):
    revealed = [[1.0, 0.0], [0.0, 6.0], [100.0, 0.0]]
    plain, stretched = UnderTrainer(), UnderTrainer(rescale=True)
    assert (await plain.craft(scene([3.0, 0.0], revealed=revealed))).tolist() == [3.0, 0.0]
    assert (await stretched.craft(scene([3.0, 0.0], revealed=revealed))).tolist() == [6.0, 0.0]
    assert (await stretched.craft(scene([9.0, 0.0], revealed=revealed))).tolist() == [9.0, 0.0]
    assert (await stretched.craft(scene([3.0, 0.0]))).tolist() == [3.0, 0.0]
    assert (plain.knowledge, stretched.knowledge) == ("self", "public")


@pytest.mark.parametrize(
    "make", [lambda: UnderTrainer(share=0), lambda: DeltaWeights(sigma=-1), lambda: DeltaWeights(steps=-1)]
)
def test_knobs_without_a_meaning_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()
