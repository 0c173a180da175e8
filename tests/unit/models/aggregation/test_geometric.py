# SPDX-License-Identifier: Apache-2.0
"""The geometric median is near the least sum of distances, and is the fold of its integer weights."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.geometric import GeometricMedian, geometric_median
from bcfl.registry import InvalidParameters, create


def _objective(rows, point):
    return np.linalg.norm(rows - point, axis=1).sum()


def test_of_a_square_and_its_centre_it_is_the_centre(make):
    models = [make.weights(values) for values in ([1, 1], [-1, 1], [1, -1], [-1, -1], [0, 0])]
    assert geometric_median(models, 8, 1e-6).model.vector == pytest.approx([0, 0], abs=1e-6)


def test_of_a_triangle_it_is_the_fermat_point(make):
    corners = [[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2 * 3]]
    found = geometric_median([make.weights(corner) for corner in corners], 60, 1e-6).model.vector
    # Seen from there every side of an acute triangle fills 120 degrees.
    rays = np.array(corners) - found
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    assert [rays[0] @ rays[1], rays[1] @ rays[2], rays[2] @ rays[0]] == pytest.approx([-0.5] * 3, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_eight_iterations_come_within_a_thousandth_of_the_best(make, seed):
    rows = np.random.Generator(np.random.PCG64(seed)).normal(size=(9, 6))
    rows[:3] *= 20
    found = geometric_median([make.weights(row) for row in rows], 8, 1e-6).model.vector
    best = rows.mean(axis=0)
    for _ in range(5000):
        pull = 1 / np.linalg.norm(rows - best, axis=1)
        best = pull @ rows / pull.sum()
    assert _objective(rows, found) <= 1.001 * _objective(rows, best)


@pytest.mark.asyncio
async def test_the_model_is_the_fold_of_the_updates_and_the_far_count_little(make):
    made = make.round([[1, 2], [1.5, 2], [1, 2.5], [1e6, 1e6]])
    found = await GeometricMedian().aggregate(made)
    assert found.model.vector.tobytes() == fold(made.updates, found.integers).vector.tobytes()
    assert 0 < found.integers[3] < min(found.integers[:3]) / 1e5


def test_equal_models_end_after_one_iteration(make):
    found = geometric_median([make.weights([0.1, 3])] * 4, 10**9, 1e-6)
    assert found.model.vector.tobytes() == make.weights([0.1, 3]).vector.tobytes()
    assert len(set(found.integers)) == 1


@pytest.mark.parametrize("parameters", [{"iterations": 0}, {"smoothing": 0}])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(InvalidParameters):
        create("aggregator", "geometric_median", parameters)
