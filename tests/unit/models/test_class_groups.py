# SPDX-License-Identifier: Apache-2.0
"""Groups of classes: each its own where they are few, alike in size where they are many, and means that stay means."""

from __future__ import annotations

import numpy as np

from bcfl.models.class_groups import class_groups, grouped
from bcfl.models.training.job import ClassEvaluation


def _evaluation(losses, counts):
    return ClassEvaluation(
        losses=losses,
        accuracies=np.zeros(len(losses)),
        counts=counts,
        outputs=np.zeros((len(losses), 0, len(counts)), dtype=np.float32),
        by_sample=np.zeros((len(losses), 0), dtype=np.float32),
    )


def test_few_classes_are_their_own_groups():
    counts = np.arange(64)
    assert class_groups(counts, 4).tolist() == list(range(64))
    evaluation = _evaluation(np.ones((2, 64)), counts)
    assert grouped(evaluation, class_groups(counts, 4)) is evaluation


def test_many_are_grouped_by_size():
    draw = np.random.default_rng(3)
    counts = np.concatenate([[4000, 0, 0], draw.integers(1, 60, 97)])
    groups = class_groups(counts, 8)
    sizes = np.bincount(groups, weights=counts)
    assert len(sizes) == 8
    assert (groups[counts > 0] == groups[0]).sum() == 1  # the frequent class is alone
    others = np.delete(sizes, groups[0])
    assert others.max() < 1.1 * others.min()
    assert class_groups(counts, 8).tolist() == groups.tolist()
    assert class_groups(counts, 1).tolist() == [0] * 100


def test_the_mean_of_a_group_is_that_of_its_samples():
    draw = np.random.default_rng(5)
    counts = draw.integers(0, 9, 80)
    losses = draw.random((3, 80))
    losses[:, counts == 0] = np.nan
    evaluation = _evaluation(losses, counts)
    groups = class_groups(counts, 5)
    found = grouped(evaluation, groups)
    assert found.losses.shape == (3, 5)
    for group in range(5):
        there = (groups == group) & (counts > 0)
        assert np.allclose(
            found.losses[:, group], (losses[:, there] * counts[there]).sum(axis=1) / counts[there].sum()
        )
    assert np.allclose(found.means, (np.nan_to_num(losses) * counts).sum(axis=1) / counts.sum())
