# SPDX-License-Identifier: Apache-2.0
"""Who is still owed something by a task that has ended."""

from __future__ import annotations

import dataclasses

from bcfl.contracts import events as e
from bcfl.contracts.owed import owes_nobody, owes_nothing
from bcfl.contracts.phases import CancelReason


def test_a_living_task_owes_and_an_ended_one_until_it_has_paid(story):
    tale = story().enrol(2, stake=5).start()
    someone = tale.state.members[0].account
    assert not owes_nothing(tale.state, someone)
    tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)
    assert not owes_nothing(tale.state, someone)  # its stake
    assert not owes_nobody(tale.state)
    members = {n: dataclasses.replace(one, stake=0) for n, one in tale.state.members.items()}
    evaluators = tuple(dataclasses.replace(one, returned=True) for one in tale.state.evaluators)
    paid = dataclasses.replace(tale.state, members=members, evaluators=evaluators)
    assert owes_nothing(paid, someone)
    assert owes_nothing(paid, "0x" + "7" * 40)
    assert not owes_nothing(paid, paid.publisher)  # what is left
    assert not owes_nobody(paid)
    over = dataclasses.replace(paid, returned=3)
    assert owes_nothing(over, over.publisher)
    assert owes_nobody(over)
    owed = dataclasses.replace(members[1], earned=7)
    assert not owes_nobody(dataclasses.replace(over, members=members | {1: owed}))


def test_a_bond_that_is_still_there_is_owed(story):
    tale = story().enrol(2).start().tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)
    account = tale.state.evaluators[0].account
    assert not owes_nothing(tale.state, account)


def test_an_accused_evaluator_s_bond_is_everybody_s_matter(story):
    state = story().enrol(2).start().tell(e.TaskCancelled, reason=CancelReason.PUBLISHER).state
    accused = dataclasses.replace(state.evaluators[0], accused_in=1)
    assert owes_nothing(state, state.members[0].account)
    accusing = dataclasses.replace(state, evaluators=(accused,))
    assert not owes_nothing(accusing, state.members[0].account)
    settled = dataclasses.replace(state, evaluators=(dataclasses.replace(accused, returned=True),))
    assert owes_nothing(settled, state.members[0].account)
