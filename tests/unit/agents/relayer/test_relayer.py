# SPDX-License-Identifier: Apache-2.0
"""When a relayer brings what to the chain, and in which transactions."""

from __future__ import annotations

import anyio
import pytest

from bcfl.agents.errors import MessageRefused
from bcfl.agents.relayer.relayer import Listen, Relayer
from bcfl.agents.runtime.actions import Transact, WakeAt
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.calls import Opening
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.storage.memory import MemoryStore

FACTORY = Address(f"0x{0xFA:040x}")


@pytest.fixture
def wants(view):
    def ask(task, now=None):
        relayer = Relayer(name="rita", intake=task.intake, factory=FACTORY, store=MemoryStore())
        found = relayer.decide(view(task, task.now if now is None else now), {})
        return [action for action in found if not isinstance(action, Listen)]

    return ask


def _calls(actions):
    assert all(isinstance(action, Transact) for action in actions)
    return [action.call for action in actions]


@pytest.mark.asyncio
async def test_it_waits_for_others_while_somebody_is_missing(light, wants):
    task = light(members=3).start()
    assert wants(task) == []
    await task.intake.take(task.commitment(0))
    (wake,) = wants(task)
    assert wake == WakeAt(task.state.config.schedule.training // 16)
    await task.intake.take(task.commitment(1))
    assert wants(task) == [wake]


@pytest.mark.asyncio
async def test_all_go_out_together_in_the_order_of_members(light, wants):
    task = light(members=3).start()
    messages = {index: task.commitment(index) for index in (2, 0, 1)}
    for message in messages.values():
        await task.intake.take(message)
    entries = [(n, messages[n].commitment, messages[n].signature) for n in range(3)]
    expected = calls.commit_batch(task.state.address, round_number=1, entries=entries)
    (first,) = wants(task)
    assert first.call == expected
    assert wants(task) == [first], "the same batch is the same transaction"
    assert first.spare_gas > 0


@pytest.mark.asyncio
async def test_after_its_patience_it_brings_what_it_has_and_then_the_rest(light, wants):
    task = light(members=3).start()
    await task.intake.take(task.commitment(0))
    (wake,) = wants(task)
    (first,) = wants(task, wake.timestamp)
    await task.intake.take(task.commitment(2))
    one, again = wants(task, wake.timestamp)
    assert one == first
    assert isinstance(again, WakeAt)
    task.told.commit(0)
    task.look()
    (second,) = wants(task, again.timestamp)
    assert second.name != first.name
    task.told.commit(2)
    assert wants(task.look(), again.timestamp) == []


@pytest.mark.asyncio
async def test_what_has_come_by_another_way_is_not_awaited_twice(light, wants):
    task = light(members=4).start()
    for index in (0, 1):
        await task.intake.take(task.commitment(index))
    task.intake.commitments.close(256)
    task.told.commit(0)  # itself
    await task.look().intake.take(task.commitment(2))
    out, wake = wants(task)
    assert isinstance(out, Transact)
    assert isinstance(wake, WakeAt), "the fourth is missing still"


@pytest.mark.asyncio
async def test_shortly_before_the_deadline_it_waits_for_nobody(light, wants):
    task = light(members=3).start()
    task.look(1990)
    await task.intake.take(task.commitment(0))
    (wake,) = wants(task)
    assert wake == WakeAt(1999)


@pytest.mark.asyncio
async def test_more_than_a_batch_takes_are_several(light, wants):
    task = light(members=3, capacity=2000).start()
    for index in range(3):
        await task.intake.take(task.commitment(index))
    task.intake.commitments.close(2)
    assert [len(batch) for batch in task.intake.commitments.batches] == [2, 1]
    assert len(_calls(wants(task))) == 2


@pytest.mark.asyncio
async def test_openings_go_by_the_batches_that_they_open(light, wants):
    task = light(members=4).start().reveal((0, 1), (2,), (3,))
    for index in (3, 1, 2, 0):
        await task.intake.take(task.opening(index))
    record = task.state.current
    expected = [
        calls.reveal(
            task.state.address,
            round_number=1,
            batch=batch,
            entries=record.batches[batch],
            openings=[
                Opening(place=place, content=task.content(f"update {index}"), salt=b"s" * 16)
                for place, index in enumerate(members)
            ],
        )
        for batch, members in enumerate(((0, 1), (2,), (3,)))
    ]
    assert _calls(wants(task)) == expected


@pytest.mark.asyncio
async def test_joins_go_through_the_factory_in_the_order_of_accounts(light, wants):
    task = light(members=1, capacity=4)
    joins = [task.join(who) for who in (2, 3, 4)]
    for message in joins:
        await task.intake.take(message)
    (join,) = wants(task)
    ordered = sorted(joins, key=lambda message: int(message.account, 16))
    assert join.call == calls.join_batch(
        FACTORY, task.state.address, [(one.account, one.permit, one.signature) for one in ordered]
    )
    task.told.tell(e.TrainerJoined, index=1, account=joins[0].account, stake=0)
    assert wants(task.look()) == [], "they were in one transaction"


@pytest.mark.asyncio
async def test_a_join_that_made_nobody_a_member_takes_no_place_for_ever(light, wants):
    task = light(members=1, capacity=2)
    await task.intake.take(task.join(2))
    (join,) = wants(task)
    assert isinstance(join, Transact)
    with pytest.raises(MessageRefused, match="takes 2 members"):
        await task.intake.take(task.join(3))
    assert wants(task.look(600), 600) == [join]
    assert wants(task.look(601), 601) == []
    await task.intake.take(task.join(3))


@pytest.mark.asyncio
async def test_what_is_too_late_is_forgotten(light, wants):
    task = light(members=2).start()
    await task.intake.take(task.commitment(0))
    task.told.phase(Phase.REVEAL)
    assert wants(task.look(3000)) == []
    assert len(task.intake.commitments) == 0


@pytest.mark.asyncio
async def test_it_looks_again_when_something_comes(light):
    task = light(members=2).start()
    relayer = Relayer(name="rita", intake=task.intake, factory=FACTORY, store=MemoryStore())
    listen = Listen(round=1, taken=task.intake.taken)
    assert listen.waits
    async with anyio.create_task_group() as group:
        with anyio.fail_after(5):
            group.start_soon(relayer.perform, listen)
            await anyio.sleep(0)
            await task.intake.take(task.commitment(0))


@pytest.mark.asyncio
async def test_an_opening_whose_commitment_is_another_now_does_not_take_the_others_with_it(light, wants):
    task = light(members=3).start().reveal((0, 1))
    for index in (0, 1):
        await task.intake.take(task.opening(index))
    assert len(wants(task)) == 1
    again = light(members=3).start()
    again.intake = task.intake
    again.told.commit(0, 1, hidden={0: b"o" * 32, 1: again.hidden(1)})
    again.told.phase(Phase.REVEAL)
    (left,) = wants(again.look())
    opening = Opening(place=1, content=again.content("update 1"), salt=b"s" * 16)
    entries = again.state.current.batches[0]
    assert left.call == calls.reveal(
        again.state.address, round_number=1, batch=0, entries=entries, openings=[opening]
    )


@pytest.mark.asyncio
async def test_an_opening_whose_commitment_was_undone_is_not_brought(light, wants):
    task = light(members=3).start().reveal((0, 1))
    for index in (0, 1):
        await task.intake.take(task.opening(index))
    (both,) = wants(task)
    assert isinstance(both, Transact)
    again = light(members=3).start()
    again.intake, again.node = task.intake, task.node
    again.reveal((1, 2))  # the same round, after a reorganisation
    (left,) = wants(again)
    opening = Opening(place=0, content=again.content("update 1"), salt=b"s" * 16)
    record = again.state.current
    assert left.call == calls.reveal(
        again.state.address, round_number=1, batch=0, entries=record.batches[0], openings=[opening]
    )
