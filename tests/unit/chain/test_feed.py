# SPDX-License-Identifier: Apache-2.0
"""The feed: interest, overflow, re-reading, and the seam to the live deliveries."""

from __future__ import annotations

import random
from dataclasses import dataclass

import anyio
import pytest

from bcfl.chain.feed import Behind, Feed
from bcfl.contracts.delivery import Batch, BlockRef, EventOrigin, Level, Retracted

A, B = "0xA", "0xB"


@dataclass(frozen=True)
class Told:
    origin: EventOrigin
    value: int


class Chain:
    """A scripted chain: the history that the feed reads, and the pump that delivers to it."""

    def __init__(self, *, retained_events=50_000, confirmations=0):
        self.blocks = []
        self.final = -1
        self.versions = 0
        self.reads = 0
        self.confirmations = confirmations
        self.delay = lambda: 0.0
        self.feed = Feed(history=self, retained_events=retained_events)

    async def read(self, number):
        self.reads += 1
        await anyio.sleep(self.delay())
        return self.blocks[number] if number < len(self.blocks) else None

    def make(self, emitters):
        number = len(self.blocks)
        self.versions += 1
        parent = self.blocks[-1].block.hash if self.blocks else "0x"
        ref = BlockRef(number=number, hash=f"0x{self.versions}", parent_hash=parent, timestamp=number)
        events = tuple(
            Told(EventOrigin(block=ref, log_index=place, transaction="0xt", address=emitter), number)
            for place, emitter in enumerate(emitters)
        )
        return Batch(block=ref, level=Level.SEEN, events=events)

    async def grow(self, *emitters, count=1):
        for _ in range(count):
            batch = self.make(emitters)
            self.blocks.append(batch)
            await self.feed.deliver(batch)
            while self.final < len(self.blocks) - 1 - self.confirmations:
                self.final += 1
                told = self.blocks[self.final]
                await self.feed.deliver(Batch(block=told.block, level=Level.FINAL, events=told.events))

    async def shrink(self, count):
        gone = [self.blocks.pop().block for _ in range(count)]
        await self.feed.deliver(Retracted(blocks=tuple(gone)))


class Reader:
    """Takes everything from a subscription and folds it; re-reads when behind."""

    def __init__(self, chain, subscription, *, pause=lambda: 0.0):
        self.chain, self.subscription, self.pause = chain, subscription, pause
        self.blocks, self.final, self.behind, self.items = [], [], 0, []

    async def run(self):
        async for item in self.subscription:
            self.items.append(item)
            if isinstance(item, Behind):
                self.behind += 1
                assert item.since is None or self.blocks
                await self.chain.feed.reread(self.subscription, item.since.number + 1 if item.since else 0)
            elif isinstance(item, Retracted):
                for block in item.blocks:
                    assert self.blocks.pop() == block
            elif item.level is Level.SEEN:
                if self.blocks:
                    assert item.block.parent_hash == self.blocks[-1].hash, "gap or duplicate"
                self.blocks.append(item.block)
            else:
                assert item.block in self.blocks
                self.final.append(item.block.number)
            await anyio.sleep(self.pause())


def drain(subscription):
    """What waits in the inbox."""
    return list(subscription._inbox)


@pytest.mark.asyncio
async def test_everything_in_order_without_a_filter():
    chain = Chain()
    subscription = chain.feed.subscribe("all", addresses=None)
    await chain.grow(A)
    await chain.grow()
    await chain.shrink(1)
    taken = [await anext(subscription) for _ in range(5)]
    assert [getattr(item, "level", None) for item in taken] == [1, 2, 1, 2, None]
    assert subscription.since.number == 0  # block 1 is gone again


@pytest.mark.asyncio
async def test_a_filter_gives_batches_of_interest_with_these_events_only():
    chain = Chain()
    a = chain.feed.subscribe("a", addresses=frozenset({A}))
    both = chain.feed.subscribe("both", addresses=frozenset({A, B}))
    await chain.grow(A, B, A)
    await chain.grow(B)
    await chain.grow()
    await chain.shrink(1)
    got = drain(a)
    assert [(item.block.number, item.level, len(item.events)) for item in got[:-1]] == [(0, 1, 2), (0, 2, 2)]
    assert isinstance(got[-1], Retracted)
    assert [(item.block.number, len(item.events)) for item in drain(both)[:-1]] == [
        (0, 3),
        (0, 3),
        (1, 1),
        (1, 1),
    ]


@pytest.mark.asyncio
async def test_a_slow_subscriber_holds_up_nobody_and_is_told_once():
    chain = Chain()
    slow = chain.feed.subscribe("slow", addresses=None, capacity=4)
    fast = chain.feed.subscribe("fast", addresses=None, capacity=1000)
    await chain.grow(A)
    first = await anext(slow)
    with anyio.fail_after(1):
        await chain.grow(A, count=20)
    assert drain(slow) == [Behind(since=first.block)]
    assert len(drain(fast)) == 42
    statistics = {s.name: s for s in chain.feed.statistics().subscriptions}
    assert (statistics["slow"].depth, statistics["slow"].overflows) == (1, 1)
    assert statistics["fast"].depth == 42
    assert chain.feed.statistics().deliveries == 42


@pytest.mark.asyncio
@pytest.mark.parametrize("retained", [0, 1_000_000], ids=["from the chain", "from memory"])
async def test_a_reread_joins_the_live_deliveries(retained):
    chain = Chain(retained_events=retained)
    await chain.grow(A, count=10)
    subscription = chain.feed.subscribe("late", addresses=None)
    await chain.feed.reread(subscription, 3)
    reader = Reader(chain, subscription)
    async with anyio.create_task_group() as group:
        group.start_soon(reader.run)
        await anyio.sleep(0.05)
        await chain.grow(A, count=5)
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    assert [block.number for block in reader.blocks] == list(range(3, 15))
    assert reader.final == list(range(3, 15))
    assert chain.reads == (7 if retained == 0 else 0)


@pytest.mark.asyncio
async def test_a_reread_from_a_block_to_come_waits_for_it():
    chain = Chain()
    await chain.grow(count=3)
    subscription = chain.feed.subscribe("early", addresses=None)
    await chain.feed.reread(subscription, 5)
    reader = Reader(chain, subscription)
    async with anyio.create_task_group() as group:
        group.start_soon(reader.run)
        for _ in range(6):
            await chain.grow()
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert [block.number for block in reader.blocks] == [5, 6, 7, 8]


@pytest.mark.asyncio
async def test_what_was_taken_and_left_the_chain_while_behind_is_retracted_first():
    chain = Chain(confirmations=100)
    subscription = chain.feed.subscribe("slow", addresses=None, capacity=3)
    await chain.grow(count=3)
    taken = [(await anext(subscription)).block for _ in range(3)]
    await chain.grow(count=10)  # overflows
    await chain.shrink(12)  # two of the three it took are gone too
    await chain.grow(count=5)
    behind = await anext(subscription)
    assert behind == Behind(since=taken[2])
    await chain.feed.reread(subscription, behind.since.number + 1)
    assert await anext(subscription) == Retracted(blocks=(taken[2], taken[1]))
    following = [await anext(subscription) for _ in range(5)]
    assert [item.block for item in following] == [batch.block for batch in chain.blocks[1:]]


@pytest.mark.asyncio
async def test_a_late_batch_for_an_old_block_reaches_live_and_rereading_alike():
    chain = Chain()
    await chain.grow(A, count=5)
    subscription = chain.feed.subscribe("live", addresses=None)
    old = chain.blocks[2]
    extra = Told(EventOrigin(block=old.block, log_index=9, transaction="0xt", address=B), 9)
    chain.blocks[2] = Batch(block=old.block, level=Level.SEEN, events=(*old.events, extra))
    late = Batch(block=old.block, level=Level.SEEN, events=(extra,))
    await chain.feed.deliver(late)
    assert await anext(subscription) == late
    assert chain.feed.newest == 4
    await chain.feed.reread(subscription, 2)
    assert len((await anext(subscription)).events) == 2  # whole again, from the chain


@pytest.mark.asyncio
async def test_closing_ends_the_iteration():
    chain = Chain()
    subscription = chain.feed.subscribe("done", addresses=None)
    await chain.grow()
    subscription.close()
    await chain.grow()
    assert [item.block.number async for item in subscription] == [0, 0]
    assert chain.feed.statistics().subscriptions == ()


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_a_subscriber_ends_with_the_chain(seed):
    chance = random.Random(seed)  # noqa: S311 - no secret
    chain = Chain(retained_events=chance.choice([0, 5, 1000]), confirmations=chance.choice([3, 6]))
    chain.delay = lambda: chance.choice([0, 0, 0.0005])
    readers = []
    for place in range(4):
        subscription = chain.feed.subscribe(f"r{place}", addresses=None, capacity=chance.randint(1, 6))
        readers.append(Reader(chain, subscription, pause=lambda: chance.choice([0, 0, 0, 0.001])))
    async with anyio.create_task_group() as group:
        for reader in readers:
            group.start_soon(reader.run)
        for _ in range(80):
            deepest = len(chain.blocks) - 1 - max(chain.final, 0)
            if chance.random() < 0.2 and deepest > 0:
                await chain.shrink(chance.randint(1, min(deepest, chain.confirmations)))
            else:
                await chain.grow(A, count=chance.randint(1, 3))
            if chance.random() < 0.3:
                await anyio.sleep(0.001)
        with anyio.fail_after(10):
            while any(not reader.blocks or reader.blocks[-1] != chain.blocks[-1].block for reader in readers):
                await anyio.sleep(0.005)
        await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    whole = [batch.block for batch in chain.blocks]
    for reader in readers:
        assert reader.blocks == whole[whole.index(reader.blocks[0]) :]
        assert set(range(reader.blocks[0].number, chain.final + 1)) <= set(reader.final)
