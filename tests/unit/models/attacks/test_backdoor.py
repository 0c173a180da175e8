# SPDX-License-Identifier: Apache-2.0
"""A backdoor's trigger, its poisoned samples, its goal and its boost."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.attacks.attack import Outlook
from bcfl.models.attacks.backdoor import Backdoor
from bcfl.models.data.dataset import Samples


def _images(count=200):
    inputs = np.random.default_rng(0).integers(0, 200, size=(count, 1, 8, 8)).astype(np.uint8)
    inputs[0, 0, 0, 0] = 200
    return Samples(inputs=inputs, targets=np.arange(count, dtype=np.int64) % 10, scale=1 / 255)


def test_a_share_of_the_samples_get_the_trigger_and_the_target():
    given = _images()
    poisoned = Backdoor(size=2, target=3, poison_share=0.25).poison(given, 10, np.random.default_rng(1))
    triggered = (poisoned.inputs[:, 0, -2:, -2:] == 200).all(axis=(1, 2))
    assert 0.15 < triggered.mean() < 0.35
    assert (poisoned.targets[triggered] == 3).all()
    assert (poisoned.targets[~triggered] == given.targets[~triggered]).all()
    assert (poisoned.inputs[~triggered] == given.inputs[~triggered]).all()
    assert (poisoned.inputs[:, 0, :-2] == given.inputs[:, 0, :-2]).all()  # nothing beside the trigger


def test_success_is_measured_on_triggered_samples_of_the_other_classes():
    given = _images()
    goal = Backdoor(size=2, target=3).goal(given)
    assert len(goal) == 180
    assert (goal.targets == 3).all()
    assert (goal.inputs[:, 0, -2:, -2:] == 200).all()
    assert (given.inputs[:, 0, -2:, -2:] != 200).any()  # the samples themselves are untouched


def test_in_a_table_the_last_columns_are_the_trigger():
    table = Samples(
        inputs=np.array([[1.0, 2.0, 3.0], [9.0, 0.0, 0.0]], dtype=np.float32),
        targets=np.array([1, 2], dtype=np.int64),
    )
    assert Backdoor(size=1, target=0).goal(table).inputs.tolist() == [[1, 2, 9], [9, 0, 9]]


def test_the_boost_replaces_the_mean_or_is_a_number():
    alone = Outlook(round=1, moved=False, cohort=10)
    three = Outlook(round=1, moved=False, cohort=10, colluders=3, place=1)
    assert Backdoor().factor(alone) == 10
    assert Backdoor().factor(three) == pytest.approx(10 / 3)
    assert Backdoor(boost=2.5).factor(three) == 2.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: Backdoor(size=0),
        lambda: Backdoor(target=-1),
        lambda: Backdoor(poison_share=0),
        lambda: Backdoor(boost=0),
    ],
)
def test_knobs_without_a_meaning_are_refused(make):
    with pytest.raises(ValueError, match=r"must be"):
        make()
