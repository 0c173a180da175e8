# SPDX-License-Identifier: Apache-2.0
"""The count of what is under way is exact: a clock driver trusts it."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcfl.agents.runtime.activity import Activity, Bell


@given(st.lists(st.sampled_from(["ring", "look", "answer"])))
def test_whatever_happens_to_a_bell_the_count_is_what_it_holds(acts):
    activity = Activity()
    bell = Bell(activity)
    rung, handling = False, False
    for act in acts:
        if act == "ring":
            bell.ring()
            rung = True
        elif act == "look" and rung and not handling:
            anyio.run(bell.wait)
            rung, handling = False, True
        elif act == "answer" and handling:
            bell.answered()
            handling = False
        assert activity.depth == rung + handling >= 0


@pytest.mark.asyncio
async def test_many_rings_are_one_look():
    activity = Activity()
    bell = Bell(activity)
    for _ in range(5):
        bell.ring()
    assert activity.depth == 1
    await bell.wait()
    bell.answered()
    assert activity.depth == 0
    with anyio.move_on_after(0.01) as silence:
        await bell.wait()
    assert silence.cancelled_caught


@pytest.mark.asyncio
async def test_a_ring_while_the_owner_acts_is_heard_afterwards():
    activity = Activity()
    bell = Bell(activity)
    bell.ring()
    await bell.wait()
    bell.ring()
    bell.answered()
    assert activity.depth == 1
    await bell.wait()
    bell.answered()
    assert activity.depth == 0


@pytest.mark.asyncio
async def test_idle_comes_when_the_last_has_left_and_not_before():
    activity = Activity()
    heard = []
    await activity.idle()

    async def wait():
        await activity.idle()
        heard.append(activity.depth)

    async with anyio.create_task_group() as group:
        activity.enter()
        activity.enter()
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        activity.leave()
        await anyio.wait_all_tasks_blocked()
        assert heard == []
        activity.leave()
    assert heard == [0]


@pytest.mark.asyncio
async def test_idle_does_not_take_a_passing_lull_for_the_end():
    activity = Activity()
    heard = []

    async def wait():
        await activity.idle()
        heard.append(activity.depth)

    async with anyio.create_task_group() as group:
        activity.enter()
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        activity.leave()
        activity.enter()  # before the waiter runs
        await anyio.wait_all_tasks_blocked()
        assert heard == []
        activity.leave()
    assert heard == [0]


@pytest.mark.asyncio
async def test_idle_waits_for_what_was_just_started():
    activity = Activity()

    async def begin():
        await anyio.lowlevel.checkpoint()
        with activity.under_way():
            await anyio.sleep(0.01)
            done.append(True)

    done = []
    async with anyio.create_task_group() as group:
        group.start_soon(begin)
        await activity.idle()
        assert done == [True]


def test_a_failure_leaves_too():
    activity = Activity()

    def fail():
        with activity.under_way():
            assert activity.depth == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert activity.depth == 0


@pytest.mark.asyncio
async def test_a_bell_that_is_muffled_as_it_rings_is_answered_once():
    """Its owner has been woken and has not looked yet: it does not look any more, and nobody counts it twice."""
    activity = Activity()
    bell = Bell(activity)
    looked = []

    async def owner():
        while True:
            await bell.wait()
            looked.append(True)
            bell.answered()

    async with anyio.create_task_group() as group:
        group.start_soon(owner)
        await anyio.wait_all_tasks_blocked()
        bell.ring()
        bell.muffle()
        await anyio.wait_all_tasks_blocked()
        assert (activity.depth, looked) == (0, [])
        with anyio.fail_after(1):
            await activity.idle()
        group.cancel_scope.cancel()
