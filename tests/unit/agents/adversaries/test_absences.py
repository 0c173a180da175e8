# SPDX-License-Identifier: Apache-2.0
"""Who is silent or late: what is left of an honest trainer's wishes."""

from __future__ import annotations

import pytest

from bcfl.agents.adversaries.absences import Absentee, SlotFiller, Straggler
from bcfl.agents.common.joining import AllowStake
from bcfl.agents.runtime.actions import Transact, View, WakeAt, Work
from bcfl.contracts import calls
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase

ME = Address(f"0x{1:040x}")
CALL = calls.advance(ME)
JOIN, COMMIT, REVEAL = (Transact(round=1, name=name, call=CALL) for name in ("join", "commit", "reveal"))
WORK = Work(round=1)


def _view(state, now=0):
    return View(seen=state, final=state, now=now)


@pytest.mark.parametrize("behaviour", [Absentee(), SlotFiller()])
def test_the_silent_join_and_do_no_more(behaviour, story):
    state = story().enrol(1).start().state
    allow = AllowStake(round=0, task=state.address, token=state.token, amount=1)
    assert behaviour.misbehaves
    assert behaviour.decide(_view(state), ME, [allow, JOIN]) == [allow, JOIN]
    assert behaviour.decide(_view(state), ME, [WORK, COMMIT, REVEAL]) == []


@pytest.mark.parametrize(("when", "moment"), [("last_moment", 1995), ("too_late", 2000)])
def test_a_straggler_trains_at_once_and_hands_in_late(when, moment, story):
    state = story().enrol(1).start().state  # the deadline of round 1 is 2000
    straggler = Straggler(when=when, margin_s=5)
    assert straggler.decide(_view(state), ME, [WORK, COMMIT]) == [WORK, WakeAt(moment)]
    assert straggler.decide(_view(state, moment - 1), ME, [WORK, COMMIT]) == [WORK, WakeAt(moment)]
    assert straggler.decide(_view(state, moment), ME, [WORK, COMMIT]) == [WORK, COMMIT]


def test_a_straggler_opens_late_and_does_all_else_in_time(story):
    tale = story().enrol(1).start().commit(0)
    revealing = tale.phase(Phase.REVEAL, deadline=3000).state
    assert Straggler().decide(_view(revealing), ME, [REVEAL]) == [WakeAt(2998)]
    assert Straggler().decide(_view(revealing), ME, [JOIN]) == [JOIN]
    scoring = tale.phase(Phase.EVALUATION).state
    assert Straggler().decide(_view(scoring), ME, [JOIN]) == [JOIN]


def test_a_margin_leaves_room_for_a_block():
    with pytest.raises(ValueError, match="at least 2"):
        Straggler(margin_s=1)
