# SPDX-License-Identifier: Apache-2.0
"""A few rows at a time it comes to what it comes to at once, of few updates and of many."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.defences.blocks import (
    by_rows,
    cosines_of_many,
    gram,
    lengths,
    mean_of_shortened,
    row_blocks,
    sum_of_rows,
)
from bcfl.models.defences.many import MANY

SIZES = [1, 5, MANY, MANY + 1, 5 * MANY]


@pytest.fixture(params=SIZES)
def rows(request):
    return np.random.default_rng(request.param).normal(size=(request.param, 5000)).astype(np.float32)


@pytest.fixture
def places(rows):
    return sorted(np.random.default_rng(7).permutation(len(rows))[: max(1, len(rows) * 2 // 3)].tolist())


def test_few_come_at_once_and_many_in_blocks(rows):
    blocks = list(row_blocks(rows))
    assert np.array_equal(np.concatenate(blocks), rows)
    assert (len(blocks) > 1) == (len(rows) > MANY)


def test_what_is_told_of_rows_is_told_of_each(rows, places):
    for chosen in (None, places):
        at_once = rows if chosen is None else rows[chosen]
        assert np.array_equal(by_rows(rows, lambda some: some.sum(axis=1), chosen), at_once.sum(axis=1))
        assert np.array_equal(lengths(rows, chosen), np.linalg.norm(at_once, axis=1))


def test_sums_are_those_of_all(rows, places):
    weights = np.random.default_rng(3).normal(size=len(places))
    expected = (weights[:, None] * rows[places].astype(np.float64)).sum(axis=0)
    assert sum_of_rows(rows, weights, places) == pytest.approx(expected, abs=1e-9)


def test_long_ones_count_as_the_median_does(rows):
    rows[0] *= 100
    sizes = np.linalg.norm(rows, axis=1)
    expected = (rows * np.minimum(1, np.median(sizes) / sizes)[:, None]).mean(axis=0, dtype=np.float64)
    assert mean_of_shortened(rows) == pytest.approx(expected, abs=1e-7)


def test_inner_products_and_cosines(rows):
    exact = rows.astype(np.float64)
    assert gram(rows) == pytest.approx(exact @ exact.T)
    rows[0] = 0
    found = cosines_of_many(rows)
    assert (found[0] == 0).all()
    assert np.diag(found)[1:] == pytest.approx(1)


def test_of_nobody_there_is_no_length():
    assert len(lengths(np.zeros((0, 5)))) == 0
