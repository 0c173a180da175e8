# SPDX-License-Identifier: Apache-2.0
"""What an intake takes: nothing that the contract would refuse, and nobody keeps the others out."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.errors import MessageEarly, MessageRefused
from bcfl.agents.relayer.intake import Intake
from bcfl.contracts.calls import Permit
from bcfl.contracts.config import UNIT
from bcfl.contracts.phases import Phase


def _refused(intake, message, words):
    with pytest.raises(MessageRefused, match=words):
        intake.take(message)


def test_before_there_is_a_task_everything_is_early(light):
    with pytest.raises(MessageEarly, match="not known here yet"):
        Intake(chain_id=1).take(light().join(4))


def test_who_wants_to_join_is_taken_once(light):
    task = light()
    task.intake.take(task.join(4))
    task.intake.take(task.join(4))
    assert (len(task.intake.joins), task.intake.taken) == (1, 2)


def test_a_join_that_the_contract_would_refuse_is_refused(light):
    task = light(capacity=4)
    _refused(task.intake, task.join(0), "is a member already")
    _refused(task.intake, task.join(4, signer=5), "not signed by")
    _refused(task.intake, dataclasses.replace(task.join(4), signature=b""), "not signed by")
    task.intake.take(task.join(4))
    _refused(task.intake, task.join(5), "takes 4 members")
    task.told.phase(Phase.CLOSING)
    _refused(task.look().intake, task.join(5), "the task is ending")


def test_a_join_allows_the_stake(light):
    task = light(stake=5)
    _refused(task.intake, task.join(4), "does not allow the stake")
    late = Permit(value=5 * UNIT, deadline=task.now)
    _refused(task.intake, task.join(4, permit=late), "does not allow the stake")
    task.intake.take(task.join(4, permit=Permit(value=5 * UNIT, deadline=1 << 60)))


def test_commitments_of_this_round_by_its_cohort(light):
    task = light(members=3)
    with pytest.raises(MessageEarly, match="not as far as training"):
        task.intake.take(task.commitment(0))
    task.told.start(1, cohort=(0, 1))
    task.look()
    task.intake.take(task.commitment(0))
    _refused(task.intake, task.commitment(2), "not in this round's cohort")
    _refused(task.intake, task.commitment(1, signer=0), "not signed by")
    _refused(task.intake, task.commitment(1, number=0), "too late")
    with pytest.raises(MessageEarly):
        task.intake.take(task.commitment(1, number=2))
    task.told.commit(0)
    _refused(task.look().intake, task.commitment(0), "has committed already")


def test_a_second_commitment_counts_until_the_first_is_on_its_way(light):
    task = light().start()
    first = task.commitment(0)
    other = task.signed(dataclasses.replace(first, commitment=b"o" * 32, signature=b""), task.keys[0])
    task.intake.take(first)
    task.intake.take(other)
    task.intake.commitments.close(256)
    assert task.intake.commitments.batches == [(other,)]
    _refused(task.intake, first, "on its way already")


def test_openings_of_what_was_committed(light):
    task = light().start()
    with pytest.raises(MessageEarly, match="not as far as reveal"):
        task.intake.take(task.opening(0))
    task.reveal((0, 1))
    _refused(task.intake, task.opening(2), "has not committed")
    _refused(task.intake, task.opening(0, salt=b"t" * 16), "not of this commitment")
    task.intake.take(task.opening(0))
    task.told.submit(1, "update 1")
    _refused(task.look().intake, task.opening(1), "has opened already")
    assert len(task.intake.openings) == 1


def test_an_opening_is_no_larger_than_the_task_takes(light):
    task = light(max_update_size=3).start().reveal((0,))
    _refused(task.intake, task.opening(0), "updates of 3 bytes at most")


def test_what_strangers_send_keeps_no_member_out(light):
    task = light(members=3).start()
    for _ in range(500):
        for index in range(3):
            _refused(task.intake, task.commitment(index, signer=3), "not signed by")
    for index in range(3):
        task.intake.take(task.commitment(index))
    assert len(task.intake.commitments) == 3
