# SPDX-License-Identifier: Apache-2.0
"""When the agents of a process are through, and which sentence ends a run."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.runtime.chronicle import Chronicle, TaskFilter
from bcfl.contracts import events as e
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind
from bcfl.scenarios.running.hosting import everybody_paid, paid

ANN, BEN = (Address(f"0x{number:040x}") for number in (1, 2))


def chronicle(state):
    made = Chronicle(TaskFilter(factory=Address("0x00")))
    made.final = state
    return made


def ended(tale):
    return tale.tell(e.TaskCompleted)


def refund(tale):
    return tale.tell(e.EscrowReturned, amount=1)


@pytest.fixture
def consortium(story):
    return story(kind=Kind.CONSORTIUM, evaluators=2, bond=5, rate=0, tolerance=10**9).enrol(2)


def test_a_member_is_paid_when_it_has_its_reward_its_stake_and_its_bond(consortium):
    for place in (0, 1):
        member = dataclasses.replace(consortium.state.members[place], earned=7)
        members = {**consortium.state.members, place: member}
        consortium.state = dataclasses.replace(consortium.state, members=members)
    ours = paid([ANN])
    assert not ours(chronicle(None))
    assert not ours(chronicle(consortium.state))
    assert not ours(chronicle(ended(consortium).state))
    consortium.tell(e.RewardWithdrawn, index=0, amount=7)
    assert not ours(chronicle(consortium.state))
    consortium.tell(e.MemberBondReturned, index=0, amount=5)
    assert ours(chronicle(consortium.state))
    assert not paid([ANN, BEN])(chronicle(consortium.state))
    consortium.tell(e.RewardWithdrawn, index=1, amount=7)
    assert not everybody_paid(chronicle(refund(consortium).state))
    assert everybody_paid(chronicle(consortium.tell(e.MemberBondReturned, index=1, amount=5).state))


def test_a_publisher_waits_for_what_is_left_and_a_stranger_for_the_end(consortium):
    publisher = paid([consortium.state.publisher])
    stranger = paid([Address("0x99")])
    assert not stranger(chronicle(consortium.state))
    done = ended(consortium).state
    assert stranger(chronicle(done))
    assert not publisher(chronicle(done))
    assert publisher(chronicle(refund(consortium).state))


def test_a_crowds_evaluator_waits_for_its_bond(story):
    tale = ended(story().enrol(1))
    account = tale.state.evaluators[0].account
    assert not paid([account])(chronicle(tale.state))
    assert not everybody_paid(chronicle(refund(tale).state))
    tale.tell(e.BondReturned, evaluator=0, amount=900)
    assert paid([account])(chronicle(tale.state))
    assert everybody_paid(chronicle(tale.state))
