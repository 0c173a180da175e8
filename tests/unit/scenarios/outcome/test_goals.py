# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from bcfl.contracts.specification import EntryReference, Specification
from bcfl.models.data.dataset import Samples
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.wire.tensors import encode
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.outcome.goals import goal_success, goals_of


@pytest.fixture
def samples() -> Samples:
    rng = np.random.default_rng(1)
    return Samples(
        inputs=rng.random((12, 1, 6, 6)).astype(np.float32), targets=np.arange(12, dtype=np.int64) % 3
    )


def scenario(*behaviours, absent=False) -> Scenario:
    trainers = [
        {"name": f"t{place}", "behaviour": behaviour, "absent": absent}
        for place, behaviour in enumerate(behaviours)
    ]
    return Scenario.model_validate(
        {
            "name": "small",
            "task": {"rounds": 1, "network": {"name": "mlp", "hidden": 4, "inputs": 36, "classes": 3}},
            "data": {"dataset": "synthetic"},
            "population": {"evaluators": [{"name": "alice"}], "trainers": [{"name": "bob"}, *trainers]},
        }
    )


FLIP = {"name": "label_flip", "source": 1, "target": 2}
BACKDOOR = {"name": "backdoor", "size": 2, "target": 0}


def test_only_attacks_that_aim_at_something_have_goals(samples):
    found = goals_of(scenario(FLIP, BACKDOOR, "label_flip", "sign_flip", "honest"), samples)
    assert list(found) == ["t0", "t1"]
    assert set(found["t0"].targets) == {2}
    assert (len(found["t0"]), len(found["t1"])) == (4, 8)


def test_attackers_that_stay_away_have_goals_too(samples):
    assert list(goals_of(scenario(BACKDOOR, absent=True), samples)) == ["t0"]


def test_a_class_that_nobody_has_is_no_goal(samples):
    assert goals_of(scenario({**FLIP, "source": 7}), samples) == {}


async def measured(chosen: Scenario, samples: Samples, model=None, favourite=None) -> dict[str, float]:
    network = chosen.task.network.create("network")
    weights = initial_weights(network, 1)
    if favourite is not None:
        vector = np.zeros_like(weights.vector)
        vector[-3 + favourite] = 1.0  # the last tensor is the bias of the three classes
        weights = type(weights)(weights.schema, vector)
    reference = EntryReference("mlp", dict(chosen.task.network.parameters))
    specification = Specification(
        title="small",
        network=reference,
        training={},
        score=EntryReference("step", {}),
        aggregator=EntryReference("fedavg", {}),
        defence=EntryReference("none", {}),
        tensors=tuple((tensor.name, tensor.shape) for tensor in weights.schema.tensors),
        audit="public",
        sample_limit=1,
    )
    async with Engine.start(executor="threads", workers=1) as engine:
        return await goal_success(
            chosen,
            samples,
            engine=engine,
            specification=specification,
            model=encode(weights, {}) if model is None else model,
        )


@pytest.mark.asyncio
@pytest.mark.parametrize(("favourite", "success"), [(0, 1.0), (1, 0.0)])
async def test_success_is_how_often_the_model_says_what_the_attack_wants(samples, favourite, success):
    assert await measured(scenario(BACKDOOR), samples, favourite=favourite) == {"t0": success}


@pytest.mark.asyncio
async def test_without_goals_or_a_model_that_can_be_read_nothing_is_measured(samples):
    assert await measured(scenario("sign_flip"), samples) == {}
    assert await measured(scenario(BACKDOOR), samples, model=b"no model") == {}
