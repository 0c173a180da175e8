# SPDX-License-Identifier: Apache-2.0
"""Nobody moves the model further than the bound; who is within it is not touched."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.aggregation.clipping import (
    CenteredClipping,
    Clipping,
    NormClipping,
    centered_clipping,
    clip_to_median,
)
from bcfl.models.errors import SchemaMismatch
from bcfl.registry import InvalidParameters, create


def test_the_long_are_shortened_along_their_own_direction(make):
    start = make.weights([1, 1])
    models = [make.weights(values) for values in ([4, 5], [1, 2], [301, 401], [1, 6])]  # lengths 5, 1, 500, 5
    clipped = clip_to_median(models, start, 2.0)
    assert clipped[0] is models[0]
    assert clipped[1] is models[1]
    assert clipped[2].vector.tolist() == [7.0, 9.0]
    assert clip_to_median(models, start, 0.2)[3].vector.tolist() == [1.0, 2.0]


def test_where_half_did_nothing_nobody_moves(make):
    start = make.weights([1, 1])
    clipped = clip_to_median([start, start, make.weights([5, 5])], start, 3.0)
    assert [model.vector.tolist() for model in clipped] == [[1, 1]] * 3


@pytest.mark.asyncio
async def test_norm_clipping_is_the_mean_of_the_clipped(make):
    made = make.round([[2.0], [-2.0], [900.0]])
    found = await NormClipping().aggregate(made)
    assert found.model.vector == pytest.approx([2 / 3])
    assert found.integers == (1, 1, 1)
    found = await NormClipping(factor=3).aggregate(made)
    assert found.model.vector.tolist() == [2.0]


def test_a_step_of_centered_clipping_by_hand(make):
    start = make.weights([1.0, 0.0])
    models = [make.weights(values) for values in ([2, 0], [1, 2], [1, -100])]
    # One step: differences (1, 0), (0, 2), (0, −100) with radius 2 become (1, 0), (0, 2), (0, −2).
    found = centered_clipping(models, start, 2.0, 1)
    assert found.vector == pytest.approx([1 + 1 / 3, 0])
    # Without a radius it is the median of 1, 2 and 100.
    assert found.vector.tobytes() == centered_clipping(models, start, None, 1).vector.tobytes()


@pytest.mark.asyncio
async def test_centered_clipping_ends_within_its_radius_of_the_start(make):
    made = make.round([[1e6, 3], [-4, 1e6], [2, 2]], start=[0.5, 0.5])
    found = await CenteredClipping(radius=0.25, iterations=4).aggregate(made)
    assert np.linalg.norm(found.model.vector - made.start.vector) <= 4 * 0.25
    assert found.integers == (1, 1, 1)


def test_with_a_wide_radius_one_step_is_the_mean(make):
    models = [make.weights([1.0, 5.0]), make.weights([2.0, -2.0])]
    assert centered_clipping(models, make.weights([9.0, 9.0]), 1e9, 1).vector.tolist() == [1.5, 1.5]


def test_the_pre_aggregator_gives_a_part_for_each(make):
    models = [make.weights([1.0]), make.weights([1.0]), make.weights([8.0])]
    parts = Clipping().mix(models, make.weights([0.0]))
    assert [part.members for part in parts] == [(0,), (1,), (2,)]
    assert [part.model.vector[0] for part in parts] == [1.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("kind", "name", "parameters"),
    [
        ("aggregator", "norm_clipping", {"factor": 0}),
        ("aggregator", "centered_clipping", {"radius": -1}),
        ("aggregator", "centered_clipping", {"iterations": 0}),
        ("pre_aggregator", "clipping", {"factor": float("nan")}),
    ],
)
def test_parameters_out_of_range_are_refused(kind, name, parameters):
    with pytest.raises(InvalidParameters):
        create(kind, name, parameters)


def test_models_of_different_networks_are_refused(make):
    other = make.weights([1.0], name="other")
    with pytest.raises(SchemaMismatch):
        clip_to_median([other], make.weights([1.0]), 1.0)
    with pytest.raises(SchemaMismatch):
        centered_clipping([other], make.weights([1.0]), None, 1)
