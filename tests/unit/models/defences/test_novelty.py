# SPDX-License-Identifier: Apache-2.0
"""Copies by digest, by direction and by outputs; the earlier commitment owns; the honest are nobody's copies."""

from __future__ import annotations

import numpy as np

from bcfl.models.defences.novelty import copies_by_digest, copies_by_direction, copies_by_outputs

RNG = np.random.default_rng(0)


def test_what_was_public_is_a_copy_whoever_brings_it():
    assert copies_by_digest({0: b"a", 1: b"b"}, {0: 0, 1: 1}, frozenset({b"a"})) == {0}


def test_of_two_alike_the_later_commitment_is_the_copy():
    assert copies_by_digest({0: b"a", 1: b"a", 2: b"c"}, {0: 5, 1: 2, 2: 0}, frozenset()) == {0}


def test_a_noisy_or_rescaled_copy_deviates_as_the_original_does():
    honest = RNG.standard_normal((6, 1000)) + RNG.standard_normal(1000)
    noisy = honest[1] + 0.1 * RNG.standard_normal(1000)
    updates = np.stack([*honest, noisy, 7 * honest[2]])
    assert copies_by_direction(updates, range(8), cosine=0.9) == {6, 7}
    assert copies_by_direction(updates, range(8, 0, -1), cosine=0.9) == {1, 2}


def test_honest_updates_that_are_almost_parallel_are_nobodys_copies():
    common = 30 * RNG.standard_normal(1000)
    updates = common + RNG.standard_normal((8, 1000))
    assert np.corrcoef(updates).min() > 0.99
    assert copies_by_direction(updates, range(8), cosine=0.9) == set()
    copy = np.stack([*updates, updates[3] + 0.1 * RNG.standard_normal(1000)])
    assert copies_by_direction(copy, range(9), cosine=0.9) == {8}


def test_one_huge_update_makes_nobody_a_copy():
    updates = np.stack([*RNG.standard_normal((6, 1000)), 1e6 * RNG.standard_normal(1000)])
    assert copies_by_direction(updates, range(7), cosine=0.9) == set()


def test_a_flipped_update_is_no_copy():
    honest = RNG.standard_normal((6, 1000))
    assert copies_by_direction(np.stack([*honest, -honest[0]]), range(7), cosine=0.9) == set()


def test_with_few_members_only_the_identical_are_copies():
    one = RNG.standard_normal(1000)
    parallel = np.stack([one, one + 0.05 * RNG.standard_normal(1000)])
    assert copies_by_direction(parallel, [0, 1], cosine=0.9) == set()
    assert copies_by_direction(np.stack([one, 2 * one]), [0, 1], cosine=0.9) == {1}


def test_empty_changes_are_nobodys_copies():
    assert copies_by_direction(np.zeros((2, 5)), [0, 1], cosine=0.9) == set()
    updates = np.stack([*RNG.standard_normal((5, 100)), np.zeros(100), np.zeros(100)])
    assert copies_by_direction(updates, range(7), cosine=0.9) == set()


def _outputs(seed=3):
    """Changes of outputs beside three who go the other way: what honest texts' models look like in the first rounds."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(2000)
    honest = common + 0.07 * rng.standard_normal((7, 2000))
    return honest, -common + 0.07 * rng.standard_normal((3, 2000)), rng


def test_honest_outputs_that_are_near_to_each_other_are_no_copies_though_saboteurs_are_far():
    for seed in range(5):
        honest, saboteurs, _ = _outputs(seed)
        changes = np.stack([*honest, *saboteurs])
        assert copies_by_outputs(changes, range(10), cosine=0.98, distance=0.15) == set()


def test_a_copy_is_nearer_than_neighbours_are_however_many_there_are_of_it():
    for copies in (1, 3, 6):
        honest, saboteurs, rng = _outputs()
        copied = honest[0] + 0.01 * rng.standard_normal((copies, 2000))
        changes = np.stack([*honest, *copied, *saboteurs])
        found = copies_by_outputs(changes, range(len(changes)), cosine=0.98, distance=0.15)
        assert found == set(range(7, 7 + copies))


def test_a_copy_with_noise_of_its_own_is_nearer_than_neighbours_too():
    honest, saboteurs, rng = _outputs()
    copy = honest[0] + 0.03 * rng.standard_normal((1, 2000))  # honest neighbours are about three times as far
    found = copies_by_outputs(np.stack([*honest, *copy, *saboteurs]), range(11), cosine=0.98, distance=0.15)
    assert found == {7}


def test_among_few_a_model_that_computes_the_same_is_a_copy_and_another_is_not():
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal((2, 500))
    changes = np.stack([one, other, one + 0.001 * rng.standard_normal(500)])
    assert copies_by_outputs(changes, range(3), cosine=0.98, distance=0.15) == {2}
