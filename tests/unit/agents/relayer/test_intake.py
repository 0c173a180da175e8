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


async def _refused(intake, message, words):
    with pytest.raises(MessageRefused, match=words):
        await intake.take(message)


@pytest.mark.asyncio
async def test_before_there_is_a_task_everything_is_early(light):
    with pytest.raises(MessageEarly, match="not known here yet"):
        await Intake(node=light().node).take(light().join(4))


@pytest.mark.asyncio
async def test_who_wants_to_join_is_taken_once(light):
    task = light()
    await task.intake.take(task.join(4))
    await task.intake.take(task.join(4))
    assert (len(task.intake.joins), task.intake.taken) == (1, 1)
    await _refused(task.intake, task.join(4, signer=5), "not signed by")


@pytest.mark.asyncio
async def test_a_join_that_the_contract_would_refuse_is_refused(light):
    task = light(capacity=4)
    await _refused(task.intake, task.join(0), "is a member already")
    await _refused(task.intake, task.join(4, signer=5), "not signed by")
    await _refused(task.intake, dataclasses.replace(task.join(4), signature=b""), "not signed by")
    await task.intake.take(task.join(4))
    await _refused(task.intake, task.join(5), "takes 4 members")
    task.told.phase(Phase.CLOSING)
    await _refused(task.look().intake, task.join(5), "the task is ending")


@pytest.mark.asyncio
async def test_a_join_allows_the_stake(light):
    task = light(stake=5)
    await _refused(task.intake, task.join(4), "does not allow the stake")
    late = Permit(value=5 * UNIT, deadline=task.now)
    await _refused(task.intake, task.join(4, permit=late), "does not allow the stake")
    await task.intake.take(task.join(4, permit=Permit(value=5 * UNIT, deadline=1 << 60)))


@pytest.mark.asyncio
async def test_who_has_no_stake_takes_no_place_among_those_who_wait(light):
    task = light(members=1, capacity=3, stake=5)
    permit = Permit(value=5 * UNIT, deadline=1 << 60)
    task.node.poor = {task.keys[who].address for who in (1, 2)}
    for who in (1, 2):
        await _refused(task.intake, task.join(who, permit=permit), "its stake cannot be taken")
    for who in (3, 4):
        await task.intake.take(task.join(who, permit=permit))
    assert (len(task.intake.joins), task.node.asked) == (2, 4)
    task.node.silent = True
    free = light(members=1)
    await free.intake.take(free.join(2))
    assert free.node.asked == 0, "where nothing is at stake nothing is asked"
    other = light(members=1, stake=5)
    other.node.silent = True
    with pytest.raises(MessageEarly, match="node does not answer"):
        await other.intake.take(other.join(3, permit=permit))


@pytest.mark.asyncio
async def test_commitments_of_this_round_by_its_cohort(light):
    task = light(members=3)
    with pytest.raises(MessageEarly, match="not as far as training"):
        await task.intake.take(task.commitment(0))
    task.told.start(1, cohort=(0, 1))
    task.look()
    await task.intake.take(task.commitment(0))
    await _refused(task.intake, task.commitment(2), "not in this round's cohort")
    await _refused(task.intake, task.commitment(1, signer=0), "not signed by")
    await _refused(task.intake, task.commitment(1, number=0), "too late")
    with pytest.raises(MessageEarly):
        await task.intake.take(task.commitment(1, number=2))
    task.told.commit(0)
    await _refused(task.look().intake, task.commitment(0), "has committed already")


@pytest.mark.asyncio
async def test_a_second_commitment_counts_until_the_first_is_on_its_way(light):
    task = light().start()
    first = task.commitment(0)
    other = task.signed(dataclasses.replace(first, commitment=b"o" * 32, signature=b""), task.keys[0])
    await task.intake.take(first)
    await task.intake.take(other)
    task.intake.commitments.close(256)
    assert task.intake.commitments.batches == [(other,)]
    taken = task.intake.taken
    await task.intake.take(other)
    assert task.intake.taken == taken, "it is on its way"
    await task.intake.take(first)  # the round began anew
    assert task.intake.commitments.waiting == 1


@pytest.mark.asyncio
async def test_openings_of_what_was_committed(light):
    task = light().start()
    with pytest.raises(MessageEarly, match="not as far as reveal"):
        await task.intake.take(task.opening(0))
    task.reveal((0, 1))
    await _refused(task.intake, task.opening(2), "has not committed")
    await _refused(task.intake, task.opening(0, salt=b"t" * 16), "not of this commitment")
    await task.intake.take(task.opening(0))
    task.told.submit(1, "update 1")
    await _refused(task.look().intake, task.opening(1), "has opened already")
    assert len(task.intake.openings) == 1


@pytest.mark.asyncio
async def test_an_opening_is_no_larger_than_the_task_takes(light):
    task = light(max_update_size=3).start().reveal((0,))
    await _refused(task.intake, task.opening(0), "updates of 3 bytes at most")


@pytest.mark.asyncio
async def test_what_strangers_send_keeps_no_member_out(light):
    task = light(members=3).start()
    for _ in range(500):
        for index in range(3):
            await _refused(task.intake, task.commitment(index, signer=3), "not signed by")
    for index in range(3):
        await task.intake.take(task.commitment(index))
    assert len(task.intake.commitments) == 3
