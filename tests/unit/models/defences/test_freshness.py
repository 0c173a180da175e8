# SPDX-License-Identifier: Apache-2.0
"""Freshness: noise of any shape is no news, work that follows the gradients is, and what was public has none."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.defences.freshness import freshness, significance
from bcfl.models.defences.history import History

DIMENSIONS = 5000
LEAST = 4.0
RNG = np.random.default_rng(3)
GRADIENTS = RNG.standard_normal((40, DIMENSIONS))


def _work(seed, signal=0.3):
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(40) @ GRADIENTS
    noise = rng.standard_normal(DIMENSIONS)
    return signal * direction / np.linalg.norm(direction) * np.linalg.norm(noise) + noise


def _fresh(updates, positions, history=None, gradients=GRADIENTS):
    return freshness(updates, positions, gradients, history or History(), least=LEAST)


@pytest.mark.parametrize("shape", ["gaussian", "uneven", "sparse", "one_layer"])
def test_noise_of_any_shape_is_within_its_own_deviations(shape):
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((60, DIMENSIONS))
    if shape == "uneven":
        noise *= np.exp(2 * rng.standard_normal(DIMENSIONS))
    if shape == "sparse":
        noise *= rng.random(DIMENSIONS) < 0.05
    if shape == "one_layer":  # nearly all of it in a few coordinates, as in a new model
        noise[:, :20] *= 300
    found = [significance(row, GRADIENTS) for row in noise]
    assert np.mean(found) == pytest.approx(0, abs=0.4)
    assert np.std(found) == pytest.approx(1, abs=0.35)
    assert max(found) < LEAST


def test_gradients_of_unlike_sizes_find_noise_out_too():
    uneven = GRADIENTS * np.exp(3 * np.random.default_rng(8).standard_normal(DIMENSIONS))
    noise = np.random.default_rng(9).standard_normal((60, DIMENSIONS))
    assert max(significance(row, uneven) for row in noise) < LEAST


def test_work_is_fresh_and_the_same_work_later_is_not():
    work = np.stack([_work(seed) for seed in range(4)])
    assert _fresh(work, [0, 1, 2, 3]).beside.min() > LEAST
    history = History().extended(work)
    noise = np.random.default_rng(1).standard_normal((4, DIMENSIONS))
    assert _fresh(work + 0.3 * noise, [0, 1, 2, 3], history).alone.max() < LEAST
    assert _fresh(work, [0, 1, 2, 3], history).beside.max() == 0


def test_the_step_of_the_global_model_is_public_though_no_combination_of_updates_is():
    start, step = RNG.standard_normal(DIMENSIONS).astype(np.float32), _work(7)
    moved = (start + step).astype(np.float32)
    noise = np.random.default_rng(2).standard_normal(DIMENSIONS)
    ignorant = History().moved(start)
    known = ignorant.moved(moved)
    assert _fresh((step + noise)[None], [0], ignorant).alone[0] > LEAST
    assert _fresh((step + noise)[None], [0], known).alone[0] < LEAST


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.3, 1.0])
def test_of_an_original_and_its_noisy_copies_the_first_has_it(sigma):
    rng = np.random.default_rng(2)
    others, work = [_work(seed) for seed in (11, 12, 13)], _work(1)
    noise = rng.standard_normal((2, DIMENSIONS)) * sigma * np.linalg.norm(work) / np.sqrt(DIMENSIONS)
    updates = np.stack([work, *(work + noise), *others])
    early = _fresh(updates, range(6)).beside
    assert early[0] > LEAST
    assert early[1:3].max() < LEAST
    assert early[3:].min() > LEAST
    late = _fresh(updates, [5, 0, 1, 2, 3, 4]).beside
    assert late[2] < LEAST
    assert late[3:].min() > LEAST


def test_who_commits_late_is_not_poorer_where_all_work_alike():
    common = 3 * _work(20, signal=1.0)
    updates = np.stack([common + _work(seed) for seed in range(8)])
    first = _fresh(updates, range(8)).beside
    last = _fresh(updates, range(7, -1, -1)).beside
    assert first.min() > LEAST
    np.testing.assert_allclose(first, last)


def test_an_empty_update_has_no_freshness():
    assert _fresh(np.zeros((1, DIMENSIONS)), [0]).beside[0] == 0


def test_where_nearly_everything_is_public_nobody_is_called_stale():
    gradients = np.random.default_rng(1).standard_normal((8, 30))
    history = History().extended(np.random.default_rng(2).standard_normal((30, 30)))
    updates = np.random.default_rng(3).standard_normal((4, 30))
    assert _fresh(updates, range(4), history, gradients).beside.min() > LEAST


def test_beside_the_history_alone_it_does_not_matter_who_was_quicker():
    work = np.stack([_work(seed) for seed in range(4)])
    early, late = _fresh(work, [0, 1, 2, 3]), _fresh(work, [3, 2, 1, 0])
    np.testing.assert_allclose(early.alone, late.alone)
