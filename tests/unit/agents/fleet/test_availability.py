# SPDX-License-Identifier: Apache-2.0
"""Who comes late, misses rounds, hands in late and leaves; and who is always there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bcfl.agents.fleet.availability import ALWAYS, Attendance, Availability
from bcfl.agents.fleet.distributions import Constant, Exponential
from bcfl.agents.runtime.actions import Transact, WakeAt
from bcfl.contracts import calls
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.seeds import Seeds

ME = Address(f"0x{1:040x}")
STRANGER = Address(f"0x{99:040x}")


def _attendance(name="bob", **given):
    return Attendance(availability=Availability(**given), seeds=Seeds(3), name=name)


def _at(state, now=0):
    return SimpleNamespace(seen=state, final=state, now=now)


def _commit(state):
    call = calls.commit(state.address, round_number=state.round, index=0, commitment=b"c" * 32)
    return Transact(round=state.round, name="commit", call=call)


def test_who_is_always_there_does_what_it_wants(story):
    state = story().enrol(2).start().state
    assert not ALWAYS.is_away(state, ME)
    assert ALWAYS.choose(_at(state), ME, [_commit(state)]) == [_commit(state)]


def test_rounds_are_missed_at_the_rate_that_was_asked_for_and_the_same_ones_each_time(story):
    state = story().enrol(2).start().state
    names = [f"trainer-{n}" for n in range(2000)]
    first = [_attendance(name, present=0.8).is_away(state, ME) for name in names]
    again = [_attendance(name, present=0.8).is_away(state, ME) for name in names]
    assert first == again
    assert sum(first) / len(first) == pytest.approx(0.2, abs=0.03)


def test_each_round_is_drawn_for_itself(story):
    told = story(rounds=30).enrol(2)
    attendance, away = _attendance(present=0.5), []
    for number in range(1, 31):
        told.start(number)
        away.append(attendance.is_away(told.state, ME))
        assert attendance.is_away(told.state, ME) == away[-1]
        told.finalise("model")
    assert 5 < sum(away) < 25


def test_who_has_committed_opens(story):
    told = story().enrol(2).start()
    attendance = next(
        one for n in range(99) if (one := _attendance(str(n), present=0.1)).is_away(told.state, ME)
    )
    told.commit(0).phase(Phase.REVEAL)
    assert not attendance.is_away(told.state, ME)


def test_who_comes_late_joins_in_that_round(story):
    told = story().enrol(2)
    late = _attendance(joins=Constant(value=2.0))
    assert late.is_away(told.state, STRANGER)
    told.start(1).finalise("a").start(2)
    assert late.is_away(told.state, STRANGER)
    told.finalise("b").start(3)
    assert not late.is_away(told.state, STRANGER)
    assert not _attendance(joins=Constant(value=0.0)).is_away(story().enrol(1).state, STRANGER)


def test_who_hands_in_late_waits_for_its_moment(story):
    told = story().enrol(2).start()
    state, slow = told.state, _attendance(delay=Constant(value=300.0))
    began = state.current.began
    other = WakeAt(7)
    assert slow.choose(_at(state, began + 299), ME, [_commit(state), other]) == [WakeAt(began + 300), other]
    assert slow.choose(_at(state, began + 300), ME, [_commit(state)]) == [_commit(state)]


def test_who_leaves_says_so_and_only_while_it_may(story):
    told = story().enrol(2).start(1)
    short = _attendance(stays=Constant(value=1.0))
    assert short.choose(_at(told.state), ME, [_commit(told.state)]) == [_commit(told.state)]
    told.finalise("a").start(2)
    (leave,) = short.choose(_at(told.state), ME, [_commit(told.state)])
    assert leave.call == calls.leave(told.state.address, round_number=2, index=0)
    told.commit(0)
    assert short.choose(_at(told.state), ME, []) == [], "nobody goes who has committed"


def test_what_was_drawn_for_a_round_is_not_kept_for_ever(story):
    told = story(rounds=50).enrol(2)
    attendance = _attendance(present=0.5, delay=Exponential(mean=3.0))
    for number in range(1, 50):
        told.start(number)
        attendance.is_away(told.state, ME)
        attendance.choose(_at(told.state), ME, [])
        told.finalise("model")
    assert len(attendance._drawn) <= 4
