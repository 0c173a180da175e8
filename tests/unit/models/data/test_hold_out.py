# SPDX-License-Identifier: Apache-2.0
"""The samples that a member holds out."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from bcfl.models.data.hold_out import hold_out
from bcfl.models.errors import PartitionImpossible


def test_a_member_holds_out_as_much_of_every_class_as_whole_samples_allow():
    targets = np.repeat([0, 1, 2], [60, 30, 10])
    part = np.random.default_rng(0).permutation(100)
    kept, held = hold_out(part, targets, 0.2, seed=5)
    assert np.bincount(targets[held]).tolist() == [12, 6, 2]
    assert sorted([*kept, *held]) == list(range(100))
    assert [index for index in part if index in set(kept)] == kept.tolist()  # in its own order
    assert (hold_out(part, targets, 0.2, seed=5)[1] == held).all()
    assert (hold_out(part, targets, 0.2, seed=6)[1] != held).any()


@hypothesis.given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=5).filter(lambda counts: sum(counts) >= 2),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 5),
)
def test_whatever_the_classes_both_halves_have_samples_and_no_class_is_off_by_one(counts, share, seed):
    targets = np.repeat(np.arange(len(counts)), counts)
    part = np.arange(len(targets), dtype=np.int64)
    kept, held = hold_out(part, targets, share, seed)
    assert len(held) == min(max(round(share * len(part)), 1), len(part) - 1)
    assert sorted([*kept, *held]) == part.tolist()
    for label, count in enumerate(counts):
        assert abs((targets[held] == label).sum() - count * len(held) / len(part)) < 1


def test_one_sample_cannot_be_divided():
    with pytest.raises(PartitionImpossible, match="at least 2 samples"):
        hold_out(np.array([3]), np.zeros(5, dtype=np.int64), 0.2, seed=0)
