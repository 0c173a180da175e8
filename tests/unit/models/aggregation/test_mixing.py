# SPDX-License-Identifier: Apache-2.0
"""Pre-aggregators chain, and an update's part in the result is traced through them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.mixing import Mixed, create_steps, mix
from bcfl.registry import InvalidParameters, UnknownEntry, create


def test_without_steps_the_updates_stay_as_they_are(make):
    updates = (make.weights([1.0]), make.weights([2.0]))
    mixed = mix((), updates, make.weights([0.0]))
    assert mixed.models == updates
    assert mixed.of_updates((5, 0), 2) == (5, 0)


def test_the_smaller_last_bucket_gives_its_members_a_larger_part(make):
    half = Fraction(1, 2)
    mixed = Mixed(models=(make.weights([0.0]),) * 2, shares=({0: half, 1: half}, {2: Fraction(1)}))
    assert mixed.of_updates((1, 1), 3) == (1, 1, 2)
    assert mixed.of_updates((1, 0), 3) == (1, 1, 0)


def test_weights_of_updates_stay_below_2_to_the_29th(make):
    half = Fraction(1, 2)
    mixed = Mixed(models=(make.weights([0.0]),) * 2, shares=({0: half, 1: half}, {1: half, 2: half}))
    first, second, third = mixed.of_updates((2**29 - 1, 2**29 - 1), 3)
    assert first == third
    assert 2**28 <= second < 2**29


@given(
    st.integers(1, 9),
    st.lists(st.sampled_from(["nnm", "bucketing", {"name": "bucketing", "size": 3}]), max_size=3),
    st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=40)
def test_the_fold_of_the_parts_is_the_fold_of_the_updates_by_the_traced_weights(make, count, before, seed):
    draw = np.random.Generator(np.random.PCG64(seed))
    updates = [make.weights(values) for values in draw.normal(size=(count, 5))]
    mixed = mix(create_steps(before), updates, make.weights(np.zeros(5)))
    integers = draw.integers(1, 1000, len(mixed.models)).tolist()
    direct = fold(mixed.models, integers).vector
    assert fold(updates, mixed.of_updates(integers, count)).vector == pytest.approx(direct, abs=1e-5)


def test_steps_are_a_name_or_a_mapping():
    assert create_steps(["nnm", {"name": "clipping", "factor": 2}]) == (
        create("pre_aggregator", "nnm"),
        create("pre_aggregator", "clipping", {"factor": 2.0}),
    )


@pytest.mark.parametrize(
    ("rule", "before", "error"),
    [
        ("median", ["nnn"], UnknownEntry),
        ("krum", [{"factor": 2}], UnknownEntry),
        ("fedavg", [{"name": "clipping", "size": 2}], InvalidParameters),
        ("trimmed_mean", [{"name": "clipping", "factor": 0}], InvalidParameters),
        ("fltrust", [{"name": "nnm", "byzantine": -1}], InvalidParameters),
        ("norm_clipping", [{"name": "bucketing", "size": 0}], InvalidParameters),
        ("geometric_median", "nnm", InvalidParameters),
    ],
)
def test_a_rule_refuses_steps_that_are_not_there_when_it_is_made(rule, before, error):
    with pytest.raises(error):
        create("aggregator", rule, {"before": before})
