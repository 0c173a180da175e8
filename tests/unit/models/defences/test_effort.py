# SPDX-License-Identifier: Apache-2.0
"""What part of its value an update earns: little work little, and nobody less for having few samples."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.defences.effort import effort_factors


def _factors(signal, ratio=None, weights=None):
    count = len(signal)
    return effort_factors(
        signal=np.array(signal, dtype=float),
        ratio=np.array(ratio or [5.0] * count),
        weights=weights or [1] * count,
    )


def test_equal_work_earns_all_of_its_value():
    assert _factors([2, 2, 2, 2]).tolist() == [1, 1, 1, 1]


def test_a_few_batches_earn_a_part():
    assert _factors([2, 2, 2, 0.5]).tolist() == [1, 1, 1, 0.25]
    # short, and straighter than work that has wandered
    assert _factors([2, 2, 2, 2], ratio=[5, 5, 5, 20]).tolist() == [1, 1, 1, 0.25]


def test_whoever_counts_for_less_owes_less():
    assert _factors([8, 4, 1, 1], weights=[8, 4, 1, 1]).tolist() == pytest.approx([1, 1, 1, 1])
    assert _factors([4, 4, 4, 2], ratio=[5, 5, 5, 10], weights=[10, 10, 10, 5]).tolist() == [1, 1, 1, 1]


def test_where_all_count_alike_claims_excuse_nobody():
    assert _factors([8, 8, 8, 1]).tolist() == [1, 1, 1, 0.125]


def test_a_larger_weight_owes_no_more_than_the_usual():
    assert _factors([4, 4, 4], weights=[1, 1, 9]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("weights", [[0, 0, 0], [0, 1, 1]])
def test_weights_of_nothing_divide_by_nothing(weights):
    assert np.isfinite(_factors([1, 1, 1], weights=weights)).all()
