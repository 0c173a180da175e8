# SPDX-License-Identifier: Apache-2.0
"""Who shares with whom, and what the specification says of the defence."""

from __future__ import annotations

import pytest

from bcfl import registry
from bcfl.contracts.specification import Specification
from bcfl.models.data.synthetic import Synthetic
from bcfl.scenarios.crew import circles_of, sight_of
from bcfl.scenarios.population import plan_task, populate
from bcfl.scenarios.schema import Scenario
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
    plan = plan_task(scenario, populate(scenario, DATA, Seeds(1)), Seeds(1))
    written = Specification.decode(plan.specification).defence
    assert written.parameters["clip"] == 2.0
    assert written.parameters["screen"]["least_fresh"] == 3.0
    assert registry.create("defence", written.name, written.parameters) == scenario.task.defence.create(
        "defence"
    )
