# SPDX-License-Identifier: Apache-2.0
"""The sums are accurate, and their order is their own: plain loops in pure Python give the same bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.aggregation.sums import distance, dot, norm, squared_distance, total

_FLOATS = st.lists(st.floats(-(2.0**100), 2.0**100, width=32), max_size=70)


def _by_hand(values):
    """Fold in half again and again, blocks of 2¹⁶, with the interpreter's own additions."""
    result = 0.0
    for begin in range(0, len(values), 1 << 16):
        block = list(values[begin : begin + (1 << 16)])
        while len(block) > 1:
            half = (len(block) + 1) // 2
            block = [block[i] + block[i + half] if i + half < len(block) else block[i] for i in range(half)]
        result += block[0]
    return result


@given(_FLOATS)
@settings(deadline=None)
def test_the_order_of_additions_is_the_one_that_is_written_down(values):
    assert total(np.array(values)) == _by_hand(values)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_003])
def test_long_vectors_too_and_close_to_exact(size):
    draw = np.random.Generator(np.random.PCG64(size))
    values = draw.normal(size=size)
    kept = values.copy()
    assert total(values) == _by_hand(values.tolist())
    assert np.array_equal(values, kept)
    first, second = values.astype(np.float32), draw.normal(size=size).astype(np.float32)
    exact = math.fsum((first.astype(np.float64) * second).tolist())
    assert dot(first, second) == pytest.approx(exact, rel=1e-12, abs=1e-9)


@given(st.lists(st.tuples(*[st.floats(-(2.0**126), 2.0**126, width=32)] * 2), min_size=1, max_size=40))
@settings(deadline=None)
def test_distances_are_symmetric_finite_and_those_of_the_definition(pairs):
    first, second = np.array(pairs, dtype=np.float32).T
    found = squared_distance(first, second)
    assert found == squared_distance(second, first)
    assert math.isfinite(found)
    assert found == pytest.approx(math.fsum((float(a) - float(b)) ** 2 for a, b in pairs), rel=1e-12)
    assert squared_distance(first, first) == 0


def test_norm_and_distance_by_hand():
    assert norm(np.array([3, 4], dtype=np.float32)) == 5.0
    assert distance(np.array([4, 6], dtype=np.float32), np.array([1, 2], dtype=np.float64)) == 5.0
