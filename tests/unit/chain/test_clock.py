# SPDX-License-Identifier: Apache-2.0
"""Chain clocks: driven by blocks, or running with the wall between them."""

from __future__ import annotations

import anyio
import pytest

from bcfl.chain.clock import DrivenChainClock, WallChainClock
from bcfl.contracts.delivery import BlockRef


def block(timestamp):
    return BlockRef(number=1, hash="0x1", parent_hash="0x0", timestamp=timestamp)


async def settle():
    for _ in range(5):
        await anyio.sleep(0)


@pytest.mark.asyncio
async def test_driven_sleepers_wake_in_order_when_a_block_reaches_them():
    clock, woken = DrivenChainClock(), []
    assert (clock.now(), clock.next_wake(), clock.sleepers) == (0, None, 0)

    async def sleep(name, timestamp):
        await clock.sleep_until(timestamp)
        woken.append(name)

    async with anyio.create_task_group() as group:
        for name, timestamp in (("late", 30), ("first", 10), ("second", 10), ("middle", 20)):
            group.start_soon(sleep, name, timestamp)
        await settle()
        assert (clock.next_wake(), clock.sleepers) == (10, 4)
        clock.observe(block(9))
        await settle()
        assert (woken, clock.now()) == ([], 9)
        clock.observe(block(20))
        assert clock.next_wake() == 30  # at once: nobody sleeps for a time that has come
        await settle()
        assert woken == ["first", "second", "middle"]
        clock.observe(block(31))
    assert woken == ["first", "second", "middle", "late"]
    assert clock.next_wake() is None


@pytest.mark.asyncio
async def test_driven_time_that_has_come_is_not_slept_for():
    clock = DrivenChainClock()
    clock.observe(block(50))
    with anyio.fail_after(1):
        await clock.sleep_until(50)
        await clock.sleep_until(3)


@pytest.mark.asyncio
async def test_a_cancelled_sleeper_is_forgotten():
    clock = DrivenChainClock()
    with anyio.move_on_after(0.01):
        await clock.sleep_until(99)
    assert (clock.next_wake(), clock.sleepers) == (None, 0)


@pytest.mark.asyncio
async def test_wall_time_wakes_at_the_deadline_and_not_before():
    clock = WallChainClock()
    clock.observe(block(1000))
    start = anyio.current_time()
    with anyio.fail_after(5):
        await clock.sleep_until(1001)
    assert 0.99 <= anyio.current_time() - start < 2
    assert clock.now() == 1000  # the newest block's time, not the wall's


@pytest.mark.asyncio
async def test_wall_sleepers_wake_early_by_a_block_that_is_ahead():
    clock, woken = WallChainClock(), anyio.Event()

    async def sleep():
        await clock.sleep_until(2000)
        woken.set()

    async with anyio.create_task_group() as group:
        group.start_soon(sleep)
        await settle()  # nothing is known about chain time yet
        clock.observe(block(1000))
        await settle()
        assert not woken.is_set()
        clock.observe(block(2000))
        with anyio.fail_after(1):
            await woken.wait()


@pytest.mark.asyncio
async def test_wall_time_runs_from_the_newest_block_seen():
    wall = [0.0]
    clock = WallChainClock(monotonic=lambda: wall[0])
    clock.observe(block(1000))
    wall[0] = 500.0
    with anyio.fail_after(1):
        await clock.sleep_until(1500)
    clock.observe(block(1100))  # history is still being read: chain time is behind again
    with anyio.move_on_after(0.05) as early:
        await clock.sleep_until(1500)
    assert early.cancelled_caught
