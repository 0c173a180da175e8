# SPDX-License-Identifier: Apache-2.0
"""The header window: linked, bounded, and sure about forks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcfl.chain.errors import ReorganisationTooDeep
from bcfl.chain.headers import HeaderWindow
from bcfl.contracts.delivery import BlockRef


def chain(length, *, branch="a", fork=None, start=0):
    """Linked headers; from ``fork`` on they belong to the branch, below to the trunk."""

    def name(number):
        on_branch = fork is not None and number > fork
        return f"0x{branch if on_branch else 'trunk'}{number}"

    return [
        BlockRef(number=n, hash=name(n), parent_hash=name(n - 1), timestamp=n * 10)
        for n in range(start, start + length)
    ]


def hashes(headers):
    return {header.number: header.hash for header in headers}


def test_an_empty_window_takes_any_first_header():
    window = HeaderWindow()
    assert (window.tip, window.oldest, len(window), list(window)) == (None, None, 0, [])
    (header,) = chain(1, start=17)
    window.extend(header)
    assert window.tip == window.oldest == header


def test_only_the_child_of_the_tip_is_taken():
    headers = chain(5)
    window = HeaderWindow(headers=headers[:3])
    (stranger,) = chain(1, branch="b", fork=1, start=3)
    for wrong in (headers[4], headers[2], headers[1], stranger):
        assert not window.links(wrong)
        with pytest.raises(ValueError, match="does not follow"):
            window.extend(wrong)
    window.extend(headers[3])
    assert window.tip == headers[3]


def test_the_oldest_fall_out():
    headers = chain(10)
    window = HeaderWindow(size=4, headers=headers)
    assert list(window) == headers[6:]
    assert window.at(5) is None
    assert window.at(6) == headers[6]
    assert window.at(10) is None
    assert window.contains(headers[9])
    assert not window.contains(headers[5])


def test_rewinding_gives_what_left_newest_first():
    headers = chain(6)
    window = HeaderWindow(headers=headers)
    assert window.rewind(headers[5]) == ()
    assert window.rewind(headers[2]) == (headers[5], headers[4], headers[3])
    assert window.tip == headers[2]
    with pytest.raises(ValueError, match="not in the window"):
        window.rewind(headers[4])
    assert window.tip == headers[2]


def test_a_fork_is_found_only_where_it_was_asked_for():
    window = HeaderWindow(headers=chain(6))
    other = hashes(chain(6, branch="b", fork=2))
    assert window.find_fork({}) is None
    assert window.find_fork({5: other[5], 4: other[4]}) is None
    assert window.find_fork(other) == chain(6)[2]


def test_a_shorter_chain_forks_at_its_tip():
    window = HeaderWindow(headers=chain(6))
    assert window.find_fork({5: None, 4: None, 3: chain(6)[3].hash}) == chain(6)[3]


def test_a_fork_below_the_window_is_never_guessed():
    window = HeaderWindow(size=3, headers=chain(10))
    other = hashes(chain(10, branch="b", fork=5))
    with pytest.raises(ReorganisationTooDeep, match="below block 7"):
        window.find_fork(other)


def test_a_window_remembers_something():
    with pytest.raises(ValueError, match="at least one"):
        HeaderWindow(size=0)


@given(length=st.integers(1, 60), size=st.integers(1, 70), fork=st.integers(0, 59))
def test_the_fork_is_the_newest_common_block(length, size, fork):
    window = HeaderWindow(size=size, headers=chain(length))
    other = hashes(chain(length, branch="b", fork=fork))
    expected = min(fork, length - 1)
    if expected < length - size:
        with pytest.raises(ReorganisationTooDeep):
            window.find_fork(other)
    else:
        found = window.find_fork(other)
        assert found.number == expected
        removed = window.rewind(found)
        assert [header.number for header in removed] == list(range(length - 1, expected, -1))
