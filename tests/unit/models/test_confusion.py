# SPDX-License-Identifier: Apache-2.0
"""Precision, recall and F1 by hand, with classes that nobody has or says, and with very many."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.confusion import Confusion


def test_by_hand():
    cells = [[0, 0, 3], [0, 1, 1], [1, 0, 2], [1, 1, 4]]
    found = Confusion.of_cells(cells, 3)
    assert found.samples == 10
    assert found.accuracy == 0.7
    assert np.allclose(found.precision, [3 / 5, 4 / 5, 0])
    assert np.allclose(found.recall, [3 / 4, 4 / 6, 0])
    assert np.allclose(found.f1, [6 / 9, 8 / 11, 0])
    assert found.macro(found.f1) == pytest.approx((6 / 9 + 8 / 11) / 2)  # the third class is nobody's
    assert found.mistakes == {0: (1, 1), 1: (0, 2)}


def test_cells_are_counted_from_samples():
    found = Confusion.of(np.array([2, 0, 2, 2, 1]), np.array([0, 0, 0, 2, 2]), 3)
    assert found.cells.tolist() == [[0, 0, 1], [1, 2, 1], [2, 0, 2], [2, 2, 1]]
    assert found.mistakes == {1: (2, 1), 2: (0, 2)}


def test_a_class_that_is_never_said_counts():
    found = Confusion.of_cells([[0, 1, 5], [1, 1, 5]], 2)
    assert found.macro(found.recall) == 0.5
    assert found.macro(found.precision) == 0.25
    assert found.macro(found.f1) == pytest.approx(1 / 3)


def test_nothing():
    found = Confusion.of_cells([], 2)
    assert (found.samples, found.accuracy, found.macro(found.f1)) == (0, 0.0, 0.0)


def test_a_large_vocabulary_costs_what_its_samples_do():
    draw = np.random.default_rng(0)
    found = Confusion.of(draw.integers(0, 100_000, 500), draw.integers(0, 100_000, 500), 100_000)
    assert found.samples == 500
    assert found.macro(found.recall) < 0.01
