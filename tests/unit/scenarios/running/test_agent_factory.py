# SPDX-License-Identifier: Apache-2.0
"""Who shares with whom, and what the specification says of the defence."""

from __future__ import annotations

import types

import pytest

from bcfl import registry
from bcfl.agents.adversaries.judges import Inverter
from bcfl.agents.consortium.member import Member
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.network import initial_weights
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.planning.population import plan_task, populate, task_config
from bcfl.scenarios.running.agent_factory import AgentParts, circles_of, make_agents, sight_of
from bcfl.seeds import Seeds

DATA = Synthetic(samples=120, test_samples=60, classes=3).load()


def _scenario(trainers, **task):
    return Scenario.model_validate(
        {
            "name": "s",
            "task": {"rounds": 1, "network": {"name": "mlp", "hidden": 4}, **task},
            "data": {"dataset": {"name": "synthetic", "samples": 120, "test_samples": 60, "classes": 3}},
            "population": {"evaluators": [{"name": "alice", "group": "ring"}], "trainers": trainers},
        }
    )


def _circles(trainers):
    scenario = _scenario(trainers)
    population = populate(scenario, DATA, Seeds(1))
    return circles_of(scenario, population), sight_of(scenario, population)


def test_a_group_shares_among_itself_and_with_the_evaluator_whose_friends_it_is():
    circles, sight = _circles(
        [
            {"name": "good", "count": 2},
            {"name": "bad", "count": 2, "group": "ring"},
            {"name": "eve", "group": "x"},
        ]
    )
    assert set(circles) == {"bad-1", "bad-2", "eve", "alice"}
    assert set(circles["bad-1"].members) == {"bad-1", "bad-2"}
    assert circles["alice"] is circles["bad-1"]
    assert circles["eve"] is not circles["bad-1"]
    assert sight is None


@pytest.mark.parametrize(
    "behaviour",
    [
        {"name": "ipm", "knowledge": "omniscient"},
        {"name": "on_off", "attack": {"name": "ipm", "knowledge": "omniscient"}},
    ],
    ids=["plain", "inside another"],
)
def test_who_knows_all_sees_everybody_and_still_colludes_with_its_group_alone(behaviour):
    circles, sight = _circles(
        [{"name": "good", "count": 2}, {"name": "bad", "count": 2, "group": "ring", "behaviour": behaviour}]
    )
    assert set(sight.members) == {"good-1", "good-2", "bad-1", "bad-2"}
    assert set(circles["bad-1"].members) == {"bad-1", "bad-2"}
    assert "good-1" not in circles


def test_the_specification_holds_every_constant_of_the_defence():
    scenario = _scenario([{"name": "t", "count": 2}], defence={"name": "pipeline", "clip": 2.0})
    plan = plan_task(
        scenario,
        populate(scenario, DATA, Seeds(1)),
        initial_weights(scenario.task.network.create("network"), 1),
    )
    written = Specification.decode(plan.specification).defence
    assert written.parameters["clip"] == 2.0
    assert written.parameters["screen"]["fresh"] == 4.0
    assert registry.create("defence", written.name, written.parameters) == scenario.task.defence.create(
        "defence"
    )


def _parts(scenario):
    population = populate(scenario, DATA, Seeds(1))
    given = dict.fromkeys(("engine", "store", "retrieval", "journal", "observer"))
    node = types.SimpleNamespace(chain_id=31337)
    return AgentParts(
        population=population,
        seeds=Seeds(1),
        node=node,
        in_turn=True,
        scenario=scenario,
        circles=circles_of(scenario, population),
        sight=None,
        **given,
    )


def _made(scenario, names=None):
    parts = _parts(scenario)
    plan = plan_task(scenario, parts.population, initial_weights(scenario.task.network.create("network"), 1))
    config = task_config(scenario, plan, token=Address("0x00"), accounts=parts.population.accounts)
    found = make_agents(parts, config=config, plan=plan, factory=Address("0x00"), names=names)
    return parts, {role.name: role for role, _ in found}


def test_a_process_recruits_whom_it_is_told_in_the_order_of_a_whole_run():
    scenario = _scenario([{"name": "t", "count": 3}])
    assert list(_made(scenario)[1]) == ["publisher", "alice", "t-1", "t-2", "t-3", "keeper"]
    parts, some = _made(scenario, names=("keeper", "t-2"))
    assert list(some) == ["t-2", "keeper"]
    assert some["t-2"].identity.turn == 1  # its place among all trainers
    assert parts.population.role("t-2") == some["t-2"].role == "trainer"


def test_a_consortium_is_of_members_and_its_publisher_lets_these_alone_in():
    scenario = Scenario.model_validate(
        {
            "name": "s",
            "task": {
                "kind": "consortium",
                "rounds": 1,
                "network": "mlp",
                "reward": {"mode": "round_budget", "per_round": "10"},
            },
            "data": {"dataset": "synthetic"},
            "population": {
                "trainers": [{"name": "ann"}, {"name": "ben", "judge": "inverter", "group": "ring"}]
            },
        }
    )
    parts, roles = _made(scenario)
    assert list(roles) == ["publisher", "ann", "ben", "keeper"]
    assert isinstance(roles["ben"], Member)
    assert isinstance(roles["ben"]._judging.judge, Inverter)
    assert roles["ben"]._judging.circle is parts.circles["ben"]
    publication = roles["publisher"]._publication
    assert publication.kind is Kind.CONSORTIUM
    assert publication.evaluators == tuple(parts.population.signers[name].address for name in ("ann", "ben"))
