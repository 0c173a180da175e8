# SPDX-License-Identifier: Apache-2.0
"""Freshness: noise of any shape is at 1, work with gradient signal far above, what was public has none."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.defences.freshness import freshness
from bcfl.models.defences.history import History

DIMENSIONS = 5000
RNG = np.random.default_rng(3)
GRADIENTS = RNG.standard_normal((10, DIMENSIONS))


def _work(seed, signal=0.1):
    rng = np.random.default_rng(seed)
    direction = rng.uniform(0.2, 1, 10) @ GRADIENTS
    noise = rng.standard_normal(DIMENSIONS)
    return signal * direction / np.linalg.norm(direction) * np.linalg.norm(noise) + noise


@pytest.mark.parametrize("shape", ["gaussian", "uneven", "sparse"])
def test_noise_of_any_shape_is_at_one(shape):
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((40, DIMENSIONS))
    if shape == "uneven":
        noise *= np.exp(2 * rng.standard_normal(DIMENSIONS))
    if shape == "sparse":
        noise *= rng.random(DIMENSIONS) < 0.05
    ratios = [freshness(row[None], [0], GRADIENTS, History()).ratio[0] for row in noise]
    assert np.mean(ratios) == pytest.approx(1, abs=0.25)
    assert max(ratios) < 3.5


def test_work_is_fresh_and_the_same_work_later_is_not():
    work = np.stack([_work(seed) for seed in range(4)])
    first = freshness(work, [0, 1, 2, 3], GRADIENTS, History())
    assert first.ratio.min() > 3
    history = History().extended(work)
    noise = np.random.default_rng(1).standard_normal((4, DIMENSIONS))
    assert freshness(work + 0.3 * noise, [0, 1, 2, 3], GRADIENTS, history).ratio.max() < 2.5
    assert freshness(work, [0, 1, 2, 3], GRADIENTS, history).ratio.max() < 2.5


def test_who_committed_first_owns_what_is_new():
    work = _work(1)
    copy = work + 0.3 * np.random.default_rng(2).standard_normal(DIMENSIONS)
    early = freshness(np.stack([work, copy]), [0, 1], GRADIENTS, History()).ratio
    late = freshness(np.stack([work, copy]), [1, 0], GRADIENTS, History()).ratio
    assert early[0] > 3 > early[1]
    assert late[1] > 3 > late[0]


def test_an_empty_update_has_no_freshness():
    assert freshness(np.zeros((1, DIMENSIONS)), [0], GRADIENTS, History()).ratio[0] == 0


def test_beside_the_history_alone_it_does_not_matter_who_was_quicker():
    work = np.stack([_work(seed) for seed in range(4)])
    early = freshness(work, [0, 1, 2, 3], GRADIENTS, History())
    late = freshness(work, [3, 2, 1, 0], GRADIENTS, History())
    np.testing.assert_allclose(early.alone, late.alone)
