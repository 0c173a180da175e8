# SPDX-License-Identifier: Apache-2.0
"""Transactions that change nothing."""

from __future__ import annotations

from bcfl.agents.adversaries.spammers import TxSpam
from bcfl.agents.runtime.actions import View, Work
from bcfl.contracts import calls
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase

ME = Address(f"0x{1:040x}")
WORK = Work(round=1)


def _decide(state, me=ME, count=3):
    return list(TxSpam(count=count).decide(View(seen=state, final=state, now=0), me, [WORK]))


def test_a_member_sends_so_many_a_training_phase_each_once_and_goes_on_working(story):
    tale = story().enrol(2).start()
    *spam, work = _decide(tale.state)
    assert work is WORK
    assert [action.name for action in spam] == ["spam:0", "spam:1", "spam:2"]
    assert {action.call for action in spam} == {calls.withdraw(tale.state.address, [])}
    assert _decide(tale.phase(Phase.REVEAL).state) == [WORK]


def test_who_is_no_member_and_before_the_first_round_nothing_is_sent(story):
    stranger = Address(f"0x{99:040x}")
    assert _decide(story().enrol(2).start().state, me=stranger) == [WORK]
    assert _decide(story().enrol(2).state) == [WORK]
