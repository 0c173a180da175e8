# SPDX-License-Identifier: Apache-2.0
"""Streams depend on the root and their labels, and on nothing else."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bcfl.seeds import Seeds

labels = st.lists(st.text() | st.integers(-(2**70), 2**70), max_size=4)


def test_the_streams_of_a_seed_never_change():
    known = "bf27f60013890678ad3c9e0ec7b480953984fa4c1dc56846c17e15d737bf2c41"
    assert Seeds(8888).derive("key", "bob", 3).hex() == known
    assert Seeds(8888).integer("training", "bob", 1) == 5324348490485029228


@given(labels)
def test_the_same_labels_give_the_same_bytes_whatever_was_drawn_before(path):
    fresh = Seeds(1).derive(*path)
    used = Seeds(1)
    used.derive("something", "else")
    assert used.derive(*path) == fresh
    assert len(fresh) == 32


@given(labels, labels)
def test_other_labels_give_other_bytes(one, other):
    if [str(label) for label in one] != [str(label) for label in other]:
        assert Seeds(1).derive(*one) != Seeds(1).derive(*other)


def test_labels_are_not_run_together():
    paths = [("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"), ("", "abc")]
    drawn = [Seeds(1).derive(*path) for path in paths]
    assert all(one != other for one, other in itertools.combinations(drawn, 2))


@given(labels)
def test_an_integer_suits_numpy_and_torch(path):
    assert 0 <= Seeds(5).integer(*path) < 2**63


def test_another_root_is_another_run():
    assert Seeds(1).derive("a") != Seeds(2).derive("a")
    assert Seeds(b"x").derive("a") != Seeds(b"y").derive("a")


def test_live_roots_come_from_the_operating_system():
    assert Seeds.live() != Seeds.live()
    assert len(Seeds.live().root) == 32
