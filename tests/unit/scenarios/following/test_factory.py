# SPDX-License-Identifier: Apache-2.0
"""What an onlooker keeps of a factory's tasks: blocks that come twice or leave, a store that is away."""

from __future__ import annotations

from contextlib import asynccontextmanager

import anyio
import pytest

from bcfl.chain.errors import RpcError
from bcfl.chain.raw import checksummed
from bcfl.contracts.delivery import Batch, Level, Retracted
from bcfl.scenarios.following import factory
from bcfl.scenarios.following.factory import FactoryWatch, Watching
from bcfl.storage.errors import ContentNotFound


class Pump:
    """Delivers what a test says."""

    def __init__(self, **_given):
        self.watched = []

    def watch(self, task, *, from_block):
        self.watched.append(task)

    def unwatch(self, task):
        self.watched.remove(task)

    async def run(self, sink):
        self.sink = sink
        await anyio.sleep_forever()


class Retrieval:
    """Gives a specification after so many failures."""

    def __init__(self, missing=0):
        self.asked, self.missing = 0, missing

    async def specification(self, content):
        self.asked += 1
        if self.asked <= self.missing:
            raise ContentNotFound
        return f"specification {content.size}"


class Node:
    def __init__(self, task, *, refuses=False):
        self.task, self.asked, self.refuses = task, [], refuses

    async def receipts(self, number):
        self.asked.append(number)
        if self.refuses:
            raise RpcError(-32601, "the method does not exist")
        sender = checksummed("0x" + "9" * 40)
        return [{"from": sender, "to": self.task, "gasUsed": "0x64", "transactionHash": "0x1"}]


@asynccontextmanager
async def watching(story, monkeypatch, *, retrieval=None, node=None):
    monkeypatch.setattr(factory, "BlockPump", Pump)
    monkeypatch.setattr(factory, "_PAUSE_S", 0.01)
    created = story().created
    watch = FactoryWatch(
        node=node or Node(created.task),
        retrieval=retrieval or Retrieval(),
        what=Watching(factory=created.origin.address),
    )
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run)
        await settle()
        watch.deliver = watch._pump.sink
        yield watch, created
        group.cancel_scope.cancel()


async def settle():
    for _ in range(20):
        await anyio.sleep(0.005)


@pytest.mark.asyncio
async def test_a_task_that_a_reorganisation_made_again_has_its_specification_again(story, monkeypatch):
    async with watching(story, monkeypatch) as (watch, created):
        block = created.origin.block
        await watch.deliver(Batch(block, Level.SEEN, (created,)))
        await settle()
        assert watch.tasks[created.task].specification is not None
        assert watch.head == block
        await watch.deliver(Retracted((block,)))
        assert watch.tasks == {}
        assert watch.head is None  # whatever comes next is the newest
        await watch.deliver(Batch(block, Level.SEEN, (created,)))
        await settle()
        assert watch.tasks[created.task].specification is not None
        assert watch._pump.watched == [created.task]


@pytest.mark.asyncio
async def test_a_store_that_is_away_is_asked_again_and_nobody_else_waits(story, monkeypatch):
    retrieval = Retrieval(missing=12)
    monkeypatch.setattr(factory, "_LONGEST_PAUSE_S", 0.01)
    async with watching(story, monkeypatch, retrieval=retrieval) as (watch, created):
        await watch.deliver(Batch(created.origin.block, Level.SEEN, (created,)))
        await anyio.sleep(0.02)
        assert watch.tasks[created.task].specification is None
        await settle()
        await settle()
        assert watch.tasks[created.task].specification is not None
        assert retrieval.asked == 13


@pytest.mark.asyncio
@pytest.mark.parametrize("refuses", [False, True])
async def test_gas_is_counted_once_however_often_a_block_comes_and_no_block_holds_up_the_others(
    story, monkeypatch, refuses
):
    tale = story().enrol(1)
    node = Node(tale.created.task, refuses=refuses)
    async with watching(story, monkeypatch, node=node) as (watch, created):
        event = tale.event(factory.e.TaskCompleted)
        block = event.origin.block
        await watch.deliver(Batch(created.origin.block, Level.SEEN, (created,)))
        for _ in range(2):
            await watch.deliver(Batch(block, Level.FINAL, (event,)))
        await settle()
        assert watch.tasks[created.task].gas == ({} if refuses else {"keeper": 100})
        assert not watch._blocks
