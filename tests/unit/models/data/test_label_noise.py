# SPDX-License-Identifier: Apache-2.0
"""A share of the labels becomes uniformly random classes, the rest stays."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.data.label_noise import flip_labels

_TARGETS = np.arange(10_000, dtype=np.int64) % 10


def _flipped(share, seed=0, classes=10):
    return flip_labels(_TARGETS, share, classes, np.random.default_rng(seed))


@pytest.mark.parametrize("share", [0.2, 0.4, 0.8])
def test_nine_tenths_of_the_share_are_wrong_with_ten_classes(share):
    assert (_flipped(share) != _TARGETS).mean() == pytest.approx(0.9 * share, abs=0.01)


def test_the_random_classes_are_uniform_and_below_the_number_of_classes():
    counts = np.bincount(_flipped(1.0), minlength=10)
    assert len(counts) == 10
    assert counts == pytest.approx(1000, rel=0.12)
    assert _flipped(1.0, classes=2).max() == 1


def test_no_share_changes_nothing_and_the_given_targets_stay():
    before = _TARGETS.copy()
    assert np.array_equal(_flipped(0.0), _TARGETS)
    assert not np.array_equal(_flipped(0.5), _TARGETS)
    assert np.array_equal(_TARGETS, before)


@pytest.mark.parametrize(("share", "count"), [(0.5, 3), (0.3, 2), (0.29, 2), (1.0, 7), (3 / 7, 3)])
def test_the_share_is_rounded_down_to_whole_labels(share, count):
    # with one class more than there is, a replaced label can be told from a kept one
    hundreds = np.full(7, 10**6, dtype=np.int64)
    assert int((flip_labels(hundreds, share, 10, np.random.default_rng(1)) != 10**6).sum()) == count


def test_the_generator_decides_which_labels_and_what_they_become():
    assert np.array_equal(_flipped(0.3, seed=4), _flipped(0.3, seed=4))
    assert not np.array_equal(_flipped(0.3, seed=4), _flipped(0.3, seed=5))
    assert _flipped(0.3).dtype == np.int64


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_all_is_refused(share):
    with pytest.raises(ValueError, match="share must be"):
        _flipped(share)
