# SPDX-License-Identifier: Apache-2.0
"""Which participants may act in a process of their own."""

from __future__ import annotations

import anyio
import pytest

from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import NotApart, UnknownParticipant
from bcfl.scenarios.running import distribution
from bcfl.scenarios.running.distribution import AGENT_ENDED, agents_ended, check_agents, check_host

SHARED = "chain.block_time=1"
RING = "population.trainers=[{name: bob}, {name: eve, count: 2, group: ring}]"


@pytest.fixture
def shared(small_file):
    return load(small_file, [SHARED])


def test_a_host_of_the_publisher_and_agents_of_anybody_are_taken(shared):
    check_host(shared, ("publisher", "keeper", "alice"))
    check_agents(shared, ("bob",))
    check_agents(shared, ("keeper", "charlie"))


def test_who_publishes_stays_with_who_sets_up(shared):
    with pytest.raises(NotApart, match="publisher"):
        check_host(shared, ("keeper", "alice"))


def test_a_name_that_nobody_has_is_refused_with_the_nearest(shared):
    for check in (check_host, check_agents):
        with pytest.raises(UnknownParticipant, match=r"called 'alic'; the nearest is 'alice'"):
            check(shared, ("publisher", "alic"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [((), "drives this run's clock"), ((SHARED, "storage.kind=memory"), "directory or kubo")],
)
def test_time_and_store_have_to_be_shared(small_file, overrides, words):
    with pytest.raises(NotApart, match=words):
        check_agents(load(small_file, overrides), ("bob",))


def test_another_node_gives_all_the_same_time(small_file):
    check_agents(load(small_file, ["chain.url=ws://127.0.0.1:1"]), ("bob",))


def test_accomplices_stay_together(small_file):
    scenario = load(small_file, [SHARED, RING, "population.evaluators.0.group=ring"])
    check_agents(scenario, ("bob",))
    check_agents(scenario, ("eve-1", "eve-2", "alice"))
    with pytest.raises(NotApart, match="take alice along"):
        check_agents(scenario, ("eve-1", "eve-2"))
    with pytest.raises(NotApart, match="'ring'"):
        check_host(scenario, ("publisher", "eve-1"))


def test_who_knows_all_needs_all(small_file):
    scenario = load(
        small_file,
        [
            SHARED,
            "population.trainers=[{name: bob}, {name: eve, behaviour: {name: ipm, knowledge: omniscient}}]",
        ],
    )
    with pytest.raises(NotApart, match="take eve along"):
        check_agents(scenario, ("bob",))
    check_agents(scenario, ("alice",))
    check_agents(scenario, ("bob", "eve"))


@pytest.mark.asyncio
async def test_the_end_of_the_others_is_waited_for_a_while(tmp_path, shared, monkeypatch):
    with RunDirectory.create(shared, out=tmp_path / "run") as directory:
        directory.agents.mkdir()
        directory.append_agent_event("bob", {"event": AGENT_ENDED})
        with anyio.fail_after(5):
            await agents_ended(directory, ["bob"])
        with anyio.move_on_after(0.3) as scope:
            await agents_ended(directory, ["bob", "charlie"])
        assert scope.cancelled_caught
        monkeypatch.setattr(distribution, "_PATIENCE_S", 0.2)
        with anyio.fail_after(5):
            await agents_ended(directory, ["bob", "charlie"])
