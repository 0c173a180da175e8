# SPDX-License-Identifier: Apache-2.0
"""Median and trimmed mean equal their definitions, whatever the order of the models."""

from __future__ import annotations

import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.aggregation.coordinatewise import (
    Median,
    TrimmedMean,
    cut_at_each_end,
    median,
    trimmed_mean,
)
from bcfl.models.errors import SchemaMismatch
from bcfl.registry import InvalidParameters, create

_VALUES = st.floats(-1e6, 1e6, width=32)
_MODELS = st.integers(1, 8).flatmap(
    lambda count: st.lists(st.tuples(*[_VALUES] * 4), min_size=count, max_size=count)
)


def test_by_hand(make):
    models = [make.weights(values) for values in ([1, 9], [2, -7], [100, 1], [4, 2])]
    assert median(models).vector.tolist() == [3.0, 1.5]
    assert trimmed_mean(models, 1).vector.tolist() == [3.0, 1.5]
    assert median(models[:3]).vector.tolist() == [2.0, 1.0]
    assert trimmed_mean(models, 0).vector.tolist() == [26.75, 1.25]


@given(_MODELS)
@settings(deadline=None)
def test_the_median_is_that_of_every_column(make, rows):
    found = median([make.weights(row) for row in rows]).vector
    expected = [
        np.float32(statistics.median(float(np.float32(x)) for x in column))
        for column in zip(*rows, strict=True)
    ]
    assert found.tolist() == [float(value) for value in expected]


@given(_MODELS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_models_changes_no_bit(make, rows, shuffler):
    models = [make.weights(row) for row in rows]
    others = shuffler.sample(models, len(models))
    assert median(models).vector.tobytes() == median(others).vector.tobytes()
    cut = (len(models) - 1) // 2
    assert trimmed_mean(models, cut).vector.tobytes() == trimmed_mean(others, cut).vector.tobytes()


def test_negative_zeros_become_zeros(make):
    models = [make.weights([-0.0]), make.weights([0.0]), make.weights([-0.0])]
    assert not np.signbit(median(models).vector).any()
    assert not np.signbit(models[1].vector).any()
    assert np.signbit(models[0].vector).all()  # the update itself is not touched


def test_more_parameters_than_a_block(make):
    draw = np.random.Generator(np.random.PCG64(1))
    rows = draw.normal(size=(5, 40_001)).astype(np.float32)
    models = [make.weights(row) for row in rows]
    assert np.array_equal(median(models).vector, np.sort(rows, axis=0)[2])
    middle = np.sort(rows, axis=0)[1:4].astype(np.float64)
    expected = ((middle[0] + middle[1]) + middle[2]) / 3
    assert np.array_equal(trimmed_mean(models, 1).vector, expected.astype(np.float32))


@pytest.mark.parametrize(
    ("trim", "members", "cut"),
    [(0.3, 10, 3), (0.3, 3, 0), (0.3, 20, 6), (0.29, 100, 29), (0.0, 9, 0), (0.49, 2, 0)],
)
def test_what_is_cut_is_the_decimal_share_rounded_down(trim, members, cut):
    assert cut_at_each_end(trim, members) == cut


@given(st.integers(0, 49), st.integers(1, 1000))
def test_something_always_remains(hundredths, members):
    cut = cut_at_each_end(hundredths / 100, members)
    assert cut == Fraction(hundredths, 100) * members // 1
    assert 2 * cut < members


@pytest.mark.asyncio
async def test_the_rules_consider_everybody(make):
    made = make.round([[1.0], [2.0], [1e6], [-1e6]], samples=[1, 2, 3, 10**6])
    found = await Median().aggregate(made)
    assert (found.model.vector.tolist(), found.integers) == ([1.5], (1, 1, 1, 1))
    found = await TrimmedMean(trim=0.25).aggregate(made)
    assert (found.model.vector.tolist(), found.integers) == ([1.5], (1, 1, 1, 1))


@pytest.mark.parametrize("trim", [-0.1, 0.5, 1, float("nan")])
def test_a_trim_that_leaves_nothing_is_refused(trim):
    with pytest.raises(InvalidParameters) as caught:
        create("aggregator", "trimmed_mean", {"trim": trim})
    assert caught.value.parameter == "trim"


def test_models_of_different_networks_are_refused(make):
    with pytest.raises(SchemaMismatch):
        median([make.weights([1.0]), make.weights([1.0], name="other")])
