# SPDX-License-Identifier: Apache-2.0
"""Buckets are drawn from the contents alone."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.aggregation.bucketing import Bucketing, drawn_order


def _models(make, seed, count):
    rows = np.random.Generator(np.random.PCG64(seed)).normal(size=(count, 4))
    return [make.weights(row) for row in rows]


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(7, 3, [3, 3, 1]), (4, 2, [2, 2]), (2, 5, [2]), (3, 1, [1, 1, 1])]
)
def test_everybody_is_in_one_bucket_and_a_bucket_is_its_mean(make, count, size, sizes):
    models = _models(make, 1, count)
    parts = Bucketing(size=size).mix(models, models[0])
    assert [len(part.members) for part in parts] == sizes
    assert sorted(member for part in parts for member in part.members) == list(range(count))
    for part in parts:
        expected = np.mean([models[member].vector for member in part.members], axis=0)
        assert part.model.vector == pytest.approx(expected, abs=1e-6)


def test_the_order_in_which_the_updates_come_does_not_matter(make):
    models = _models(make, 2, 6)
    order = drawn_order(models, models[0])
    turned = models[::-1]
    assert [models[i] for i in order] == [turned[i] for i in drawn_order(turned, models[0])]


def test_another_update_or_another_start_draws_anew(make):
    models = _models(make, 3, 20)
    order = drawn_order(models, models[0])
    assert order != list(range(20))
    assert drawn_order(models, models[1]) != order
    other = [*models[:19], make.weights([0, 0, 0, 1])]
    moved = [i for i in drawn_order(other, models[0]) if i != 19]
    assert moved != [i for i in order if i != 19]


def test_equal_models_keep_their_order(make):
    assert drawn_order([make.weights([1.0])] * 4, make.weights([0.0])) == [0, 1, 2, 3]
