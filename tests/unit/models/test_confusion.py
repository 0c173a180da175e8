# SPDX-License-Identifier: Apache-2.0
"""Precision, recall and F1 by hand, and with classes that nobody has or says."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.confusion import Confusion


def test_by_hand():
    found = Confusion(matrix=np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]]))
    assert found.samples == 10
    assert found.accuracy == 0.7
    assert np.allclose(found.precision, [3 / 5, 4 / 5, 0])
    assert np.allclose(found.recall, [3 / 4, 4 / 6, 0])
    assert np.allclose(found.f1, [6 / 9, 8 / 11, 0])
    assert found.macro(found.f1) == pytest.approx((6 / 9 + 8 / 11) / 2)  # the third class is nobody's
    assert found.cells == [[0, 0, 3], [0, 1, 1], [1, 0, 2], [1, 1, 4]]
    assert (Confusion.of_cells(found.cells, 3).matrix == found.matrix).all()


def test_a_class_that_is_never_said_counts():
    found = Confusion(matrix=np.array([[0, 5], [0, 5]]))
    assert found.macro(found.recall) == 0.5
    assert found.macro(found.precision) == 0.25
    assert found.macro(found.f1) == pytest.approx(1 / 3)


def test_nothing():
    found = Confusion(matrix=np.zeros((2, 2), dtype=np.int64))
    assert (found.samples, found.accuracy, found.macro(found.f1)) == (0, 0.0, 0.0)
