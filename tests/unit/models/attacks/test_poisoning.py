# SPDX-License-Identifier: Apache-2.0
"""Crude poison does what its formula says."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.attacks.poisoning import Gaussian, RandomModel, Scaling, SignFlip, Zero


@pytest.mark.asyncio
async def test_hand_vectors(scene):
    given = scene([1.0, -2.0], start=[5.0, 6.0])
    assert (await SignFlip().craft(given)).tolist() == [-1.0, 2.0]
    assert (await SignFlip(scale=4).craft(given)).tolist() == [-4.0, 8.0]
    assert (await Scaling(factor=3).craft(given)).tolist() == [3.0, -6.0]
    assert (await Zero().craft(given)).tolist() == [-5.0, -6.0]


@pytest.mark.asyncio
async def test_gaussian_noise_is_as_long_as_the_own_update_or_as_told(scene):
    own = np.full(10_000, 0.3)
    matched = await Gaussian().craft(scene(own))
    assert np.linalg.norm(matched) == pytest.approx(30.0)
    assert abs(matched @ own) < 0.05 * np.linalg.norm(matched) * np.linalg.norm(own)
    told = await Gaussian(sigma=0.5).craft(scene(np.zeros(10_000)))
    assert told.std() == pytest.approx(0.5, rel=0.05)


def test_noise_of_a_told_size_needs_no_training():
    assert Gaussian().effort(100) == 100
    assert Gaussian(sigma=0.1).effort(100) == 0
    assert Zero().effort(100) == RandomModel().effort(100) == 0
    assert SignFlip().effort(100) == 100


@pytest.mark.asyncio
async def test_a_random_model_lies_within_its_radius_wherever_the_round_starts(scene):
    start = np.linspace(-3, 3, 1000)
    model = start + await RandomModel(radius=0.2).craft(scene(np.zeros(1000), start=start))
    assert np.abs(model).max() <= 0.2
    assert np.abs(model).max() > 0.19


@pytest.mark.parametrize("attack", [Gaussian(), Gaussian(sigma=1.0), RandomModel()], ids=str)
@pytest.mark.asyncio
async def test_the_same_generator_gives_the_same_update(scene, attack):
    first, again, other = [await attack.craft(scene([1.0, 2.0, 3.0], seed=seed)) for seed in (1, 1, 2)]
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize(
    "make", [lambda: SignFlip(scale=0), lambda: Scaling(factor=float("inf")), lambda: RandomModel(radius=-1)]
)
def test_knobs_without_a_meaning_are_refused(make):
    with pytest.raises(ValueError, match="must be above 0"):
        make()
