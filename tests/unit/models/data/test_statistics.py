# SPDX-License-Identifier: Apache-2.0
"""Who has how many samples of what."""

from __future__ import annotations

import numpy as np

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.statistics import by_owner, statistics


def _samples(targets, owners=None):
    return Samples(
        inputs=np.zeros((len(targets), 2), dtype=np.float32),
        targets=np.array(targets),
        owners=None if owners is None else np.array(owners),
    )


def test_parts_are_counted_class_by_class():
    found = statistics(_samples([0, 1, 1, 2, 0]), [np.array([0, 1]), np.array([2, 3, 4])], ["a", "b"], 3)
    assert found.histogram.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert found.sizes.tolist() == [2, 3]
    assert found.classes.tolist() == [2, 2, 1]


def test_owners_of_both_parts_by_name_or_number():
    made = Dataset(
        name="it",
        train=_samples([0, 1, 1], owners=[2, 2, 0]),
        test=_samples([2, 0], owners=[2, 5]),
        source="",
        licence="",
        owner_names=("x", "y", "z"),
        class_names=("nought",),
    )
    found = by_owner(made)
    assert found.names == ("x", "z", "5")
    assert found.histogram.tolist() == [[0, 1, 0], [1, 1, 1], [1, 0, 0]]
    assert made.labels(4) == ("nought", "1", "2", "3")
    assert by_owner(Dataset(name="", train=_samples([0]), test=_samples([0]), source="", licence="")) is None


def test_skew_is_none_where_all_have_the_same_mixture_and_nearly_all_where_each_has_a_class():
    alike = statistics(_samples([0, 1] * 10), [np.arange(4), np.arange(4, 20)], ["a", "b"], 2)
    assert alike.skew == 0
    apart = statistics(_samples([0] * 5 + [1] * 5), [np.arange(5), np.arange(5, 10)], ["a", "b"], 2)
    assert apart.skew == 0.5
