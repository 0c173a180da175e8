# SPDX-License-Identifier: Apache-2.0
"""Quantising and packing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcfl.contracts.scores import from_bitmap, pack_scores, quantise, to_bitmap, unpack_scores

LIMIT = 2**63 - 1


@pytest.mark.parametrize(
    ("score", "posted"),
    [
        (0.0, 0),
        (1.0, 10**9),
        (-0.25, -250_000_000),
        (0.5e-9, 0),  # half to even
        (1.5e-9, 2),
        (1e300, LIMIT),
        (-1e300, -LIMIT),
        (math.nan, 0),
        (math.inf, 0),
        (-math.inf, 0),
    ],
)
def test_a_score_is_quantised_rounded_and_clipped(score, posted):
    assert quantise(score) == posted


@given(st.lists(st.integers(-(2**63), LIMIT)))
def test_scores_survive_packing(scores):
    packed = pack_scores(scores)
    assert len(packed) == 8 * len(scores)
    assert unpack_scores(packed) == tuple(scores)


def test_packing_is_big_endian_two_s_complement():
    assert pack_scores([1, -1]).hex() == "0000000000000001" + "f" * 16


@given(st.sets(st.integers(0, 1023)))
def test_indices_survive_a_bitmap(indices):
    words = to_bitmap(indices, 1024)
    assert len(words) == 4
    assert from_bitmap(words) == tuple(sorted(indices))


def test_a_bitmap_has_a_word_for_each_256_members_the_lowest_first():
    assert to_bitmap([0, 255, 256], 257) == (1 | 1 << 255, 1)
    assert to_bitmap([], 0) == ()
