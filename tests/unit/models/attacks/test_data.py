# SPDX-License-Identifier: Apache-2.0
"""Bad data: labels turned as told, features noisy, the rest untouched."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.attacks.data import LabelFlip, LowQuality
from bcfl.models.data.dataset import Samples


def _samples(targets, inputs=None):
    targets = np.array(targets, dtype=np.int64)
    if inputs is None:
        inputs = np.arange(len(targets) * 4, dtype=np.uint8).reshape(len(targets), 4)
    return Samples(inputs=inputs, targets=targets, scale=1 / 255)


def _rng(seed=0):
    return np.random.default_rng(seed)


def test_every_label_is_turned_within_the_classes_of_the_task():
    given = _samples([0, 1, 2, 3])  # the task has ten classes, of which these samples know four
    assert LabelFlip().poison(given, 10, _rng()).targets.tolist() == [9, 8, 7, 6]
    assert LabelFlip(mapping="cyclic").poison(given, 10, _rng()).targets.tolist() == [1, 2, 3, 4]
    assert LabelFlip(mapping="cyclic").poison(_samples([9, 0]), 10, _rng()).targets.tolist() == [0, 1]


def test_a_targeted_flip_touches_its_source_alone_and_says_what_it_wants():
    attack = LabelFlip(source=7, target=1)
    assert attack.poison(_samples([7, 1, 3, 7]), 10, _rng()).targets.tolist() == [1, 1, 3, 1]
    goal = attack.goal(_samples([7, 1, 3, 7]))
    assert goal.targets.tolist() == [1, 1]
    assert goal.inputs[:, 0].tolist() == [0, 12]
    assert LabelFlip().goal(_samples([7])) is None


def test_a_text_is_rewritten_throughout_where_that_is_asked_for():
    text = Samples(
        inputs=np.array([[0, 1, 2], [3, 3, 3]], dtype=np.int64), targets=np.array([3, 0]), tokens=True
    )
    assert text.tokens
    plain = LabelFlip().poison(text, 4, _rng())
    assert plain.targets.tolist() == [0, 3]
    assert plain.inputs is text.inputs
    turned = LabelFlip(throughout=True).poison(text, 4, _rng())
    assert turned.targets.tolist() == [0, 3]
    assert turned.inputs.tolist() == [[3, 2, 1], [0, 0, 0]]
    one = LabelFlip(throughout=True, source=3, target=1).poison(text, 4, _rng())
    assert one.inputs.tolist() == [[0, 1, 2], [1, 1, 1]]
    images = _samples([0, 1])
    assert LabelFlip(throughout=True).poison(images, 4, _rng()).inputs is images.inputs


def test_a_share_of_the_labels_is_turned():
    given = _samples(np.zeros(1000, dtype=np.int64), np.zeros((1000, 1), dtype=np.uint8))
    turned = LabelFlip(share=0.3).poison(given, 10, _rng()).targets
    assert 0.25 < (turned == 9).mean() < 0.35
    assert turned.tolist() == LabelFlip(share=0.3).poison(given, 10, _rng()).targets.tolist()


def test_inputs_and_the_samples_given_stay_as_they_were():
    given = _samples([0, 1])
    poisoned = LabelFlip().poison(given, 2, _rng())
    assert given.targets.tolist() == [0, 1]
    assert poisoned.inputs.tolist() == given.inputs.tolist()
    assert poisoned.scale == given.scale


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_low_quality_is_fewer_samples_under_noise_in_the_same_type(dtype):
    inputs = (_rng().random((100, 1, 6, 6)) * 100).astype(dtype)
    poisoned = LowQuality(noise=1.0, share=0.2).poison(_samples(np.arange(100) % 3, inputs), 3, _rng())
    assert len(poisoned) == 20
    assert poisoned.inputs.dtype == dtype
    kept = LowQuality(noise=0.0, share=0.2).poison(_samples(np.arange(100) % 3, inputs), 3, _rng())
    assert kept.targets.tolist() == poisoned.targets.tolist()
    difference = poisoned.inputs.astype(np.float64) - kept.inputs
    assert 0.5 * inputs.std() < difference.std() < 1.1 * inputs.std()  # bytes are clipped at 0


def test_at_least_one_sample_is_left():
    assert len(LowQuality(share=0.01).poison(_samples([0, 1, 1]), 2, _rng())) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: LabelFlip(share=0),
        lambda: LabelFlip(source=1),
        lambda: LabelFlip(source=1, target=1),
        lambda: LabelFlip(source=1, target=-1),
        lambda: LowQuality(share=2),
        lambda: LowQuality(noise=-1),
    ],
)
def test_knobs_without_a_meaning_are_refused(make):
    with pytest.raises(ValueError, match=r"share|source"):
        make()


def test_poor_text_has_other_tokens_of_the_same_text():
    tokens = np.random.default_rng(0).integers(3, 9, (200, 20))
    given = Samples(inputs=tokens, targets=np.zeros(200, dtype=np.int64), tokens=True)
    found = LowQuality(noise=1.0, share=1.0).poison(given, 10, _rng())
    assert found.tokens
    assert set(np.unique(found.inputs)) == set(range(3, 9))
    # half of the tokens are exchanged, a sixth of these for the same
    assert abs((found.inputs != given.inputs).mean() - 0.5 * 5 / 6) < 0.03
