# SPDX-License-Identifier: Apache-2.0
"""Krum chooses whom its definition says, ties go to the lowest index, neighbours are mixed."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bcfl.models.aggregation.distances import (
    Krum,
    MultiKrum,
    NearestNeighbourMixing,
    krum_order,
    nearest,
    squared_distances,
)
from bcfl.registry import InvalidParameters, create


def test_krum_by_hand(make):
    # n = 5, f = 1: two nearest others. Squared distances of 2 are 1 (to 3) + 1 (to 1).
    models = [make.weights([value]) for value in (0, 1, 2, 3.5, 1000)]
    assert krum_order(models, 1) == [1, 2, 0, 3, 4]


def test_the_table_of_distances_is_symmetric(make):
    assert squared_distances([make.weights([0, 0]), make.weights([3, 4]), make.weights([0, 1])]) == [
        [0, 25, 1],
        [25, 0, 18],
        [1, 18, 0],
    ]


def test_of_equals_the_lowest_index_comes_first(make):
    assert nearest([2.0, 1.0, 1.0, 0.5], 3) == [3, 1, 2]
    assert krum_order([make.weights([1.0])] * 4, 0) == [0, 1, 2, 3]


@pytest.mark.asyncio
@pytest.mark.parametrize(("byzantine", "chosen"), [(None, 1), (1, 1), (40, 1), (0, 2)])
async def test_krum_keeps_one_update_and_no_more_attackers_are_assumed_than_it_tolerates(
    make, byzantine, chosen
):
    made = make.round([[0], [1], [2], [3.5], [6]])
    found = await Krum(byzantine=byzantine).aggregate(made)
    assert found.integers == tuple(int(index == chosen) for index in range(5))
    assert found.model.vector.tobytes() == made.updates[chosen].vector.tobytes()


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [1, 2, 3])
async def test_few_updates_are_no_trouble(make, count):
    made = make.round([[5.0]] * count)
    for rule in (Krum(byzantine=3), MultiKrum(), MultiKrum(keep=7)):
        found = await rule.aggregate(made)
        assert found.model.vector.tolist() == [5.0]
        assert sum(found.integers) == (1 if isinstance(rule, Krum) else count)


@pytest.mark.asyncio
async def test_multi_krum_is_the_mean_of_the_best(make):
    made = make.round([[0], [1], [2], [3.5], [1000]])
    found = await MultiKrum(byzantine=1).aggregate(made)
    assert (found.integers, found.model.vector.tolist()) == ((1, 1, 1, 1, 0), [1.625])
    found = await MultiKrum(byzantine=1, keep=2).aggregate(made)
    assert (found.integers, found.model.vector.tolist()) == ((0, 1, 1, 0, 0), [1.5])


def test_neighbours_are_mixed(make):
    models = [make.weights([value]) for value in (0, 1, 2, 1000)]
    parts = NearestNeighbourMixing(byzantine=1).mix(models, models[0])
    assert [part.members for part in parts] == [(0, 1, 2), (0, 1, 2), (0, 1, 2), (1, 2, 3)]
    assert [part.model.vector[0] for part in parts[:3]] == [1.0, 1.0, 1.0]
    # By default fewer than half of four are assumed to be attackers: one.
    assert [part.members for part in NearestNeighbourMixing().mix(models, models[0])] == [
        part.members for part in parts
    ]


@pytest.mark.asyncio
async def test_after_mixing_the_weights_tell_whose_updates_are_in_the_model(make):
    made = make.round([[0], [1], [2], [3], [1000]])
    found = await Krum(byzantine=1, before=("nnm",)).aggregate(made)
    assert found.model.vector.tolist() == [1.0]
    assert found.integers == (1, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("krum", {"byzantine": -1}), ("multi_krum", {"keep": 0}), ("multi_krum", {"byzantine": -1})],
)
def test_parameters_out_of_range_are_refused(name, parameters):
    with pytest.raises(InvalidParameters) as caught:
        create("aggregator", name, parameters)
    assert caught.value.parameter in parameters


def test_twenty_models_of_forty_thousand_parameters_take_less_than_a_second(make):
    draw = np.random.Generator(np.random.PCG64(0))
    models = [make.weights(row) for row in draw.normal(size=(20, 40_000))]
    began = time.process_time()
    squared_distances(models)
    assert time.process_time() - began < 1
