# SPDX-License-Identifier: Apache-2.0
"""Bookmarks: soon after something was said, seldom else, and of every task that there is."""

from __future__ import annotations

import dataclasses

from bcfl.agents.runtime.bookmarking import Bookmarking
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.state_codec import StateParts, state_from_parts

OTHER = "0x" + "7" * 40


def _marked(marks, block, states, now):
    """A bookmark that was written."""
    found = marks.due(block, states, now=now)
    if found is not None:
        marks.kept(states)
    return found


def _block(number):
    return BlockRef(number, f"0x{number}", f"0x{number - 1}", number)


def test_what_was_said_is_kept_after_the_least_time(story):
    marks, tale = Bookmarking(5), story().enrol(2)
    first = _marked(marks, _block(1), [tale.state], now=0)
    assert first.block == _block(1)
    assert {task: state_from_parts(parts) for task, parts in first.tasks.items()} == {
        tale.state.address: tale.state
    }
    tale.start()
    assert _marked(marks, _block(2), [tale.state], now=4.9) is None
    later = _marked(marks, _block(3), [tale.state], now=5).tasks[tale.state.address]
    assert set(later.rounds) == {1}  # what was kept before is not written out again
    kept = first.tasks[tale.state.address]
    assert state_from_parts(StateParts(head=later.head, rounds={**kept.rounds, **later.rounds})) == tale.state


def test_where_nothing_is_said_it_is_kept_seldom_and_no_round_is_written_out_again(story):
    marks, tale = Bookmarking(5), story().enrol(2).start()
    first = _marked(marks, _block(1), [tale.state], now=0)
    assert _marked(marks, _block(2), [tale.state], now=50) is None
    later = _marked(marks, _block(70), [tale.state], now=60)
    parts = first.tasks[tale.state.address]
    assert later.block == _block(70)
    assert later.tasks == {tale.state.address: StateParts(head=parts.head, rounds={}, whole=False)}


def test_what_was_not_written_is_due_again(story):
    marks, tale = Bookmarking(5), story().enrol(2).start()
    first = marks.due(_block(1), [tale.state], now=0)
    again = marks.due(_block(2), [tale.state], now=5)
    assert again.tasks == first.tasks


def test_a_task_that_came_or_went_is_news(story):
    marks, state = Bookmarking(5), story().enrol(2).state
    other = dataclasses.replace(state, address=OTHER)
    assert len(_marked(marks, _block(1), [state], now=0).tasks) == 1
    assert set(_marked(marks, _block(2), [state, other], now=5).tasks) == {state.address, OTHER}
    assert set(_marked(marks, _block(3), [other], now=10).tasks) == {OTHER}
    assert _marked(marks, _block(4), [], now=15).tasks == {}


def test_what_an_earlier_life_has_read_is_told_again_and_is_no_place_to_begin(story):
    """Else a state of block 1,000 would be kept as that of block 989, and eleven blocks would be folded twice."""
    marks, tale = Bookmarking(5, after=1000, wanted="all"), story().enrol(2)
    assert _marked(marks, _block(989), [tale.state], now=0) is None
    assert _marked(marks, _block(1000), [tale.state], now=1) is None
    found = _marked(marks, _block(1001), [tale.state], now=2)
    assert (found.block, found.wanted) == (_block(1001), "all")


def test_what_an_earlier_life_has_kept_is_not_written_out_again(story):
    tale = story().enrol(2).start()
    state = tale.state
    marks = Bookmarking(5, after=9, kept={state.address: state})
    tale.start(2)
    parts = _marked(marks, _block(10), [tale.state], now=0).tasks[state.address]
    assert set(parts.rounds) == {2}
