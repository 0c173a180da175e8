# SPDX-License-Identifier: Apache-2.0
"""Partitions are disjoint, repeatable and of the promised shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.data.dataset import Samples
from bcfl.models.data.partition import BySize, Dirichlet, Disjoint, Equal, Natural, Shards, Slices, SoleClass
from bcfl.models.errors import PartitionImpossible
from bcfl.registry import create


def _samples(count, classes=10, owners=None):
    targets = np.arange(count, dtype=np.int64) % classes
    owned = None if owners is None else np.arange(count, dtype=np.int64) % owners
    return Samples(inputs=np.zeros((count, 1), np.uint8), targets=targets, owners=owned)


_EVERY = [
    Equal(),
    Equal(samples_per_client=3),
    Slices(size=5, skip=0),
    BySize(ratios=(4.0, 2.0, 1.0, 1.0)),
    Dirichlet(alpha=0.5, min_size=2),
    Shards(),
    Disjoint(disjointness=0.6),
    SoleClass(classes=(9,)),
    Natural(),
    Natural(merge=True),
]


@pytest.mark.parametrize("partition", _EVERY, ids=str)
@settings(max_examples=15, deadline=None)
@given(count=st.integers(60, 300), seed=st.integers(0, 2**63 - 1))
def test_shares_are_disjoint_not_empty_and_follow_the_seed(partition, count, seed):
    samples = _samples(count, owners=7)
    shares = partition.split(samples, 4, seed)
    together = np.concatenate(shares)
    assert len(shares) == 4
    assert all(len(share) for share in shares)
    assert len(np.unique(together)) == len(together)
    assert together.min() >= 0
    assert together.max() < count
    assert together.dtype == np.int64
    again = partition.split(samples, 4, seed)
    assert all(np.array_equal(one, two) for one, two in zip(shares, again, strict=True))


@given(count=st.integers(1, 200), clients=st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_equal_shares_differ_by_one_and_hold_everything(count, clients):
    if count < clients:
        with pytest.raises(PartitionImpossible):
            Equal().split(_samples(count), clients, 0)
        return
    sizes = [len(share) for share in Equal().split(_samples(count), clients, 0)]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1


def test_the_seed_changes_who_gets_what():
    one, two = (Equal().split(_samples(100), 2, seed)[0] for seed in (1, 2))
    assert not np.array_equal(one, two)


def test_the_published_slices_are_the_second_to_the_fifth():
    shares = Slices().split(_samples(60_000), 4, 0)
    assert [(share[0], share[-1]) for share in shares] == [
        (12_000, 23_999),
        (24_000, 35_999),
        (36_000, 47_999),
        (48_000, 59_999),
    ]
    with pytest.raises(PartitionImpossible, match="need 72000 samples, but there are 60000"):
        Slices().split(_samples(60_000), 5, 0)


def test_ratios_give_sizes():
    shares = BySize(ratios=(4, 2, 1, 1), samples=800).split(_samples(1000), 4, 0)
    assert [len(share) for share in shares] == [400, 200, 100, 100]


@pytest.mark.parametrize("ratios", [(1, 1), (1, 1, 0), (1, 1, -1), (1, 1, float("nan")), (1e9, 1, 1)])
def test_ratios_that_leave_somebody_without_are_refused(ratios):
    with pytest.raises(PartitionImpossible):
        BySize(ratios=ratios).split(_samples(100), 3, 0)


def test_a_small_alpha_skews_the_classes_and_a_large_one_does_not():
    samples = _samples(5000)

    def largest_class_share(alpha):
        shares = Dirichlet(alpha=alpha, min_size=1).split(samples, 5, 3)
        return np.mean([np.bincount(samples.targets[share]).max() / len(share) for share in shares])

    assert largest_class_share(0.1) > 0.3
    assert largest_class_share(1000) < 0.13


def test_dirichlet_shares_together_are_everything_and_large_enough():
    shares = Dirichlet(alpha=0.3, min_size=20).split(_samples(1000), 6, 1)
    assert sum(len(share) for share in shares) == 1000
    assert min(len(share) for share in shares) >= 20


def test_a_dirichlet_that_never_fits_says_so():
    with pytest.raises(PartitionImpossible, match="raise alpha or lower min_size"):
        Dirichlet(alpha=0.01, min_size=24).split(_samples(100), 4, 0)
    with pytest.raises(PartitionImpossible, match="alpha above 0"):
        Dirichlet(alpha=0).split(_samples(100), 4, 0)


def test_shards_give_few_classes():
    samples = _samples(1000)
    shares = Shards(classes_per_client=2).split(samples, 5, 0)
    assert all(len(np.unique(samples.targets[share])) <= 2 for share in shares)
    assert {len(share) for share in shares} == {200}


def test_natural_clients_are_owners():
    samples = _samples(100, owners=5)
    shares = Natural().split(samples, 3, 0)
    assert all(len(np.unique(samples.owners[share])) == 1 for share in shares)
    merged = Natural(merge=True).split(samples, 3, 0)
    assert sum(len(share) for share in merged) == 100
    assert sorted(len(np.unique(samples.owners[share])) for share in merged) == [1, 2, 2]


def test_owners_with_few_samples_are_left_out():
    owners = np.repeat(np.arange(4), [1, 20, 5, 30])
    samples = Samples(inputs=np.zeros((56, 1), np.uint8), targets=np.zeros(56, np.int64), owners=owners)
    for partition in (Natural(least=20), Natural(least=20, merge=True)):
        assert sorted(len(share) for share in partition.split(samples, 2, 0)) == [20, 30]
    with pytest.raises(
        PartitionImpossible, match="2 owners with 6 samples or more cannot be divided among 3"
    ):
        Natural(least=6).split(samples, 3, 0)


def test_natural_needs_owners_and_enough_of_them():
    with pytest.raises(PartitionImpossible, match="who owns"):
        Natural().split(_samples(10), 2, 0)
    with pytest.raises(PartitionImpossible, match="5 owners"):
        Natural().split(_samples(10, owners=5), 6, 0)


def test_a_cap_limits_each_client():
    samples = _samples(1000, owners=5)
    for partition in (Equal, Dirichlet, Shards, Natural):
        shares = partition(samples_per_client=7).split(samples, 3, 0)
        assert [len(share) for share in shares] == [7, 7, 7]
    with pytest.raises(PartitionImpossible, match="samples_per_client"):
        Equal(samples_per_client=0).split(samples, 3, 0)


def test_partitions_come_from_the_registry():
    assert create("partition", "by_size", {"ratios": [4, 2, 1]}) == BySize(ratios=(4, 2, 1))


def _overlap(shares, targets):
    """The mean number of clients that have samples of a class."""
    return np.mean([sum(bool(np.any(targets[share] == k)) for share in shares) for k in np.unique(targets)])


def test_disjoint_parts_share_the_fewer_classes_the_more_stays_sorted():
    samples = _samples(1000)
    overlaps = [
        _overlap(Disjoint(disjointness=d).split(samples, 5, 3), samples.targets) for d in (0, 0.98, 1)
    ]
    assert overlaps[0] == 5
    assert overlaps[2] == 1
    assert overlaps[2] < overlaps[1] < overlaps[0]
    assert {len(share) for share in Disjoint(disjointness=0.5).split(samples, 5, 3)} == {200}


def test_the_sole_holder_has_its_classes_alone_and_no_other():
    samples = _samples(1000)
    first, *others = SoleClass(classes=(8, 9)).split(samples, 3, 3)
    assert set(samples.targets[first]) == {8, 9}
    assert len(first) == 200
    for share in others:
        assert set(samples.targets[share]) == set(range(8))
        assert len(share) == 400


@pytest.mark.parametrize(
    ("partition", "clients", "words"),
    [
        (Disjoint(disjointness=1.5), 4, "'disjointness' is a share"),
        (SoleClass(), 1, "needs a second client"),
        (SoleClass(classes=(77,)), 3, "too few samples"),
    ],
)
def test_what_cannot_be_held_apart_is_refused(partition, clients, words):
    with pytest.raises(PartitionImpossible, match=words):
        partition.split(_samples(100), clients, 0)
