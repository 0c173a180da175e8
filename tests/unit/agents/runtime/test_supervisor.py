# SPDX-License-Identifier: Apache-2.0
"""Restarting with backoff, giving up, and what no restart mends."""

from __future__ import annotations

import anyio
import pytest

from bcfl.agents.errors import AgentBroken, ModelDisagreement, UpdateLost
from bcfl.agents.runtime.activity import Activity
from bcfl.agents.runtime.supervisor import RestartPolicy, supervise
from bcfl.chain.errors import CallTimeout, ConnectionLost, NodeUnreachable, ReorganisationTooDeep
from bcfl.storage.errors import StoreFull

NO_LUCK = ValueError("no luck")
QUICK = RestartPolicy(attempts=3, first_delay_s=0.001, longest_delay_s=0.002)


def _failing(failures, error=NO_LUCK):
    """A run that fails so often, then returns; and the times it was started."""
    starts = []

    async def run():
        starts.append(anyio.current_time())
        await anyio.sleep(0)
        if len(starts) <= failures:
            raise error

    return run, starts


@pytest.mark.parametrize("failures", [0, 1, 3])
@pytest.mark.asyncio
async def test_an_agent_that_fails_is_started_again(failures):
    run, starts = _failing(failures)
    activity = Activity()
    await supervise("bob", run, activity=activity, policy=QUICK)
    assert len(starts) == failures + 1
    assert activity.depth == 0


@pytest.mark.asyncio
async def test_the_breaker_names_the_agent_and_the_last_failure():
    run, starts = _failing(100)
    with pytest.raises(AgentBroken, match="'bob' failed 4 times, last with: no luck") as caught:
        await supervise("bob", run, activity=Activity(), policy=QUICK)
    assert len(starts) == 4
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.asyncio
async def test_delays_double_up_to_the_longest(monkeypatch):
    run, _ = _failing(5)
    policy = RestartPolicy(attempts=5, first_delay_s=0.5, longest_delay_s=3.0)
    delays = []

    async def sleep(seconds):
        delays.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    await supervise("bob", run, activity=Activity(), policy=policy)
    assert [delay for delay in delays if delay] == [0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.asyncio
async def test_failures_of_the_chain_pass_at_once(nested):
    error = ConnectionLost("The node is gone.")
    raised = ExceptionGroup("shell", [ExceptionGroup("work", [ValueError(), error])]) if nested else error
    run, starts = _failing(100, raised)
    with pytest.raises(ConnectionLost, match=r"The node is gone\."):
        await supervise("bob", run, activity=Activity(), policy=QUICK)
    assert len(starts) == 1


@pytest.mark.parametrize(
    "error", [ConnectionLost(), NodeUnreachable("ws://nowhere"), CallTimeout("eth_call", 30)]
)
@pytest.mark.asyncio
async def test_a_lost_node_is_waited_out_where_the_process_reconnects(error):
    run, starts = _failing(10, ExceptionGroup("shell", [error]))
    policy = RestartPolicy(attempts=0, first_delay_s=0.0001, outlives_node=True)
    await supervise("bob", run, activity=Activity(), policy=policy)
    assert len(starts) == 11, "a lost node counted as the agent's failure"


@pytest.mark.asyncio
async def test_other_failures_of_the_chain_pass_even_there():
    run, starts = _failing(10, ReorganisationTooDeep())
    policy = RestartPolicy(first_delay_s=0.0001, outlives_node=True)
    with pytest.raises(ReorganisationTooDeep):
        await supervise("bob", run, activity=Activity(), policy=policy)
    assert len(starts) == 1


@pytest.mark.asyncio
async def test_failures_of_the_agent_s_own_inside_groups_are_found():
    run, _ = _failing(100, ExceptionGroup("shell", [UpdateLost()]))
    with pytest.raises(AgentBroken, match="its journal does not have the update"):
        await supervise("bob", run, activity=Activity(), policy=QUICK)


@pytest.mark.asyncio
async def test_the_process_is_busy_while_an_agent_waits_to_come_back():
    activity = Activity()
    depths = []
    run, starts = _failing(1)

    async def watch():
        while len(starts) < 1:
            await anyio.sleep(0)
        await anyio.sleep(0.005)
        depths.append(activity.depth)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        policy = RestartPolicy(attempts=1, first_delay_s=0.05)
        await supervise("bob", run, activity=activity, policy=policy)
    assert depths == [1]
    assert activity.depth == 0


@pytest.mark.asyncio
async def test_an_agent_that_ran_long_enough_starts_with_a_clean_slate():
    starts = []

    async def run():
        starts.append(None)
        await anyio.sleep(0.02)
        if len(starts) <= 5:
            raise ValueError

    policy = RestartPolicy(attempts=1, first_delay_s=0.001, forgiven_after_s=0.01)
    await supervise("bob", run, activity=Activity(), policy=policy)
    assert len(starts) == 6


@pytest.mark.asyncio
async def test_cancellation_ends_it():
    async def run():
        await anyio.sleep_forever()

    with anyio.move_on_after(0.01) as scope:
        await supervise("bob", run, activity=Activity(), policy=QUICK)
    assert scope.cancelled_caught


@pytest.mark.asyncio
async def test_who_computed_another_model_than_the_agreed_one_is_not_started_again():
    run, starts = _failing(100, ModelDisagreement("In round 1 …"))
    with pytest.raises(ModelDisagreement, match="In round 1"):
        await supervise("bob", run, activity=Activity(), policy=QUICK)
    assert len(starts) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [StoreFull(), BrokenPipeError()])
async def test_a_full_disk_and_a_reader_who_left_are_everybodys(error):
    run, starts = _failing(10, ExceptionGroup("shell", [error]))
    with pytest.raises(type(error)):
        await supervise("bob", run, activity=Activity(), policy=QUICK)
    assert len(starts) == 1
