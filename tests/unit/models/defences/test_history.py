# SPDX-License-Identifier: Apache-2.0
"""The public history: what is a combination of public updates has nothing left, with or without a sketch."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.defences.history import History

DIMENSIONS = 400


def _updates(seed, count=6):
    return np.random.default_rng(seed).standard_normal((count, DIMENSIONS))


def _rank(history):
    return sum(map(len, history.blocks))


def test_a_combination_of_public_updates_leaves_nothing_and_news_stays():
    history = History().extended(_updates(1)).extended(_updates(2))
    public = np.stack([3 * _updates(1)[0] - _updates(2)[4], _updates(1)[5]])
    assert np.linalg.norm(history.residual(public), axis=1) == pytest.approx([0, 0], abs=1e-4)
    news = _updates(3, 1)
    rest = history.residual(news)
    assert np.linalg.norm(rest) > 0.9 * np.linalg.norm(news)
    assert np.abs(rest @ _updates(1).T).max() < 1e-3


def test_the_same_update_again_adds_no_direction():
    history = History().extended(_updates(1))
    assert _rank(history) == 6
    assert _rank(history.extended(2 * _updates(1))) == 6


def test_a_zero_update_adds_no_direction():
    assert _rank(History().extended(np.zeros((2, DIMENSIONS)))) == 0


def test_digests_are_kept_for_ever():
    history = History(most=4).extended(_updates(1), [b"a"]).extended(_updates(2), [b"b"])
    assert history.digests == {b"a", b"b"}


def test_a_sketch_keeps_memory_bounded_and_recent_updates_exact():
    history = History(most=40)
    for seed in range(20):
        history = history.extended(_updates(seed))
    assert sum(map(len, history.recent)) <= 40
    assert len(history.sketch) <= 40
    assert _rank(history) <= 80
    recent = _updates(19)
    assert np.linalg.norm(history.residual(recent), axis=1).max() < 1e-3


def test_a_sketch_still_knows_most_of_old_updates_that_share_directions():
    """Updates of a task share a few strong directions; those survive, which independent noise would not."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((5, DIMENSIONS))
    old = [
        rng.standard_normal((6, 5)) @ common + 0.05 * rng.standard_normal((6, DIMENSIONS)) for _ in range(20)
    ]
    history = History(most=40)
    for updates in old:
        history = history.extended(updates)
    left = np.linalg.norm(history.residual(old[0]), axis=1) / np.linalg.norm(old[0], axis=1)
    assert left.max() < 0.6
