# SPDX-License-Identifier: Apache-2.0
"""Which task an agent speaks of, where one process acts in many at the same time."""

from __future__ import annotations

from types import SimpleNamespace

import anyio
import pytest

from bcfl.agents.runtime.current_task import acting_in, current_task
from bcfl.agents.runtime.participation import Participation


def _of(task):
    return SimpleNamespace(seen=None if task is None else SimpleNamespace(address=task))


def test_outside_tasks_and_before_there_is_one_it_is_none():
    assert current_task() is None
    chronicle = _of(None)
    with acting_in(chronicle):
        assert current_task() is None
        chronicle.seen = SimpleNamespace(address="0xa")
        assert current_task() == "0xa"
        with acting_in(_of("0xb")):
            assert current_task() == "0xb"
        assert current_task() == "0xa"
    assert current_task() is None


@pytest.mark.asyncio
async def test_tasks_side_by_side_do_not_mix_and_what_one_starts_is_its_own():
    heard = []

    async def later(task):
        await anyio.sleep(0)
        heard.append((task, current_task()))

    async def act(task):
        with acting_in(_of(task)):
            async with anyio.create_task_group() as group:
                group.start_soon(later, task)
                await anyio.sleep(0)
                heard.append((task, current_task()))

    async with anyio.create_task_group() as group:
        for task in ("0xa", "0xb", "0xc"):
            group.start_soon(act, task)
    assert len(heard) == 6
    assert all(task == said for task, said in heard)
    assert current_task() is None


def test_what_becomes_of_a_transaction_is_said_of_its_task(story):
    state, heard = story().state, []
    participation = Participation(SimpleNamespace(seen=state), SimpleNamespace())
    shell = SimpleNamespace(outcome=lambda outcome: heard.append(current_task()))
    participation.seats.append(SimpleNamespace(role=SimpleNamespace(name="ann"), shell=shell))
    participation.outcome(SimpleNamespace(key=SimpleNamespace(task=state.address, agent="ann")))
    assert heard == [state.address]
