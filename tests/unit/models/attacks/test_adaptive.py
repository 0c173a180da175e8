# SPDX-License-Identifier: Apache-2.0
"""Attacks that watch themselves keep to their rounds, their pace and their margin."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.attacks.adaptive import Ace, Drifter, OnOff, ScoreAware
from bcfl.models.attacks.attack import Outlook
from bcfl.registry import InvalidParameters, UnknownEntry, create


def _outlook(number, **given):
    return Outlook(**{"round": number, "moved": number > 1, "cohort": 10, **given})


def test_on_off_is_honest_first_and_then_comes_and_goes():
    attack = OnOff(on=2, off=3)
    assert [attack.ready(_outlook(number)) for number in range(1, 11)] == [False] * 3 + [True] * 2 + [
        False
    ] * 3 + [True] * 2
    assert all(OnOff(on=1, off=0).ready(_outlook(number)) for number in range(1, 5))


@pytest.mark.asyncio
async def test_on_off_does_what_the_attack_within_does(scene):
    attack = create("attack", "on_off", {"attack": {"name": "sign_flip", "scale": 4}})
    assert (await attack.craft(scene([1.0, 2.0]))).tolist() == [-4.0, -8.0]
    lazy = OnOff(attack="delta_weights", on=1, off=0)
    assert (lazy.knowledge, lazy.effort(40)) == ("public", 0)
    assert [lazy.ready(_outlook(number)) for number in (1, 2)] == [False, True]
    assert OnOff(attack="alie").knowledge == "colluders"


def test_on_off_says_at_once_what_is_wrong_with_the_attack_within():
    with pytest.raises(UnknownEntry, match="sign_flop"):
        OnOff(attack="sign_flop")
    with pytest.raises(InvalidParameters, match="scale"):
        OnOff(attack={"name": "sign_flip", "scale": -1})


@pytest.mark.asyncio
async def test_a_drifter_begins_honest_and_ends_reversed(scene):
    attack = Drifter(growth=0.25, scale=3)
    crafted = [(await attack.craft(scene([1.0], handed_in=count)))[0] for count in (0, 1, 2, 4, 9)]
    assert crafted == [1.0, 0.0, -1.0, -3.0, -3.0]


def _bowl(optimum):
    return lambda update: float(np.square(np.asarray(update) - optimum).sum())


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.8])
@pytest.mark.asyncio
async def test_score_aware_harms_as_far_as_its_own_loss_bears(scene, margin):
    # its own data want (1, 0); everybody gained along (1, 1), so the harm is along (0, −1)
    given = scene([1.0, 0.0], steps=[[1.0, 1.0]], loss=_bowl(np.array([1.0, 0.0])))
    crafted = await ScoreAware(margin=margin).craft(given)
    assert crafted[0] == pytest.approx(1.0)
    assert crafted[1] == pytest.approx(-((1 - margin) ** 0.5), abs=0.05)
    assert 1 - given_loss(given, crafted) >= margin


def given_loss(scene, update):
    return float(np.square(update - np.array([1.0, 0.0])).sum())


@pytest.mark.asyncio
async def test_score_aware_asks_for_a_bounded_number_of_losses(scene):
    asked = []

    def flat(update):
        asked.append(update)
        return 1.0 if not update.any() else 0.5

    await ScoreAware().craft(scene([1.0, 0.0], steps=[[0.0, 1.0]], loss=flat))
    assert len(asked) <= 14


@pytest.mark.asyncio
async def test_score_aware_undoes_the_gain_of_its_circle_where_it_has_one(scene):
    given = scene(
        [1.0, 0.0], peers=[[1.0, 0.0], [1.0, 2.0]], steps=[[0.0, -5.0]], loss=_bowl(np.array([1.0, 0.0]))
    )
    assert (await ScoreAware().craft(given))[1] < 0


@pytest.mark.asyncio
async def test_score_aware_is_honest_as_long_as_there_is_no_direction_to_harm(scene):
    assert await ScoreAware().craft(scene([1.0, 0.0])) is None
    assert await ScoreAware().craft(scene([1.0, 0.0], steps=[[3.0, 0.0]])) is None
    assert not ScoreAware().ready(_outlook(1))
    assert ScoreAware().ready(_outlook(1, colluders=2))
    assert ScoreAware().ready(_outlook(2))


@pytest.mark.asyncio
async def test_ace_predicts_the_next_step_of_a_quadratic_exactly(scene):
    # along one direction the steps shrink by a half each time: 4, 2, and then 1
    assert await Ace().craft(scene([0.0, 0.0], steps=[[4.0, 0.0], [2.0, 0.0]])) == pytest.approx([1.0, 0.0])
    assert await Ace(factor=3).craft(scene([0.0], steps=[[4.0], [2.0]])) == pytest.approx([3.0])


@pytest.mark.asyncio
async def test_ace_repeats_a_single_step_and_never_more_than_doubles_one(scene):
    assert (await Ace().craft(scene([0.0], steps=[[2.0]]))).tolist() == [2.0]
    assert (await Ace().craft(scene([0.0], steps=[[0.1], [2.0]]))).tolist() == [4.0]
    assert await Ace().craft(scene([0.0])) is None
    assert not Ace().ready(_outlook(1))
    assert Ace().effort(40) == 0
