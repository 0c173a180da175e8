# SPDX-License-Identifier: Apache-2.0
"""What targeted data attacks (backdoors, targeted label flips) achieved with the final model.

Nobody in the protocol knows these numbers: the runner measures them at the end, on the evaluator's samples as each
attack shows them, and writes them into the event log, so that a replay has them too.
"""

from __future__ import annotations

from bcfl.agents.adversaries.naming import behaviour
from bcfl.agents.adversaries.poisoners import DataPoisoner
from bcfl.agents.common.retrieval import schema_of
from bcfl.contracts.specification import Specification
from bcfl.models.data.dataset import Samples
from bcfl.models.errors import MalformedUpdate
from bcfl.models.training.engine import Engine
from bcfl.models.wire.tensors import decode
from bcfl.scenarios.definition.schema import Scenario

__all__ = ("goal_success", "goals_of")


def goals_of(scenario: Scenario, samples: Samples) -> dict[str, Samples]:
    """The samples as each attack with a goal shows them, with the classes it wants, by its entry's name.

    Attackers that stay away (``absent``) count too: what the model answers without them is what to compare with.
    """
    found: dict[str, Samples] = {}
    for entry in scenario.population.trainers:
        acting = behaviour(entry.behaviour.name, entry.behaviour.parameters)
        goal = acting.attack.goal(samples) if isinstance(acting, DataPoisoner) else None
        if goal is not None and len(goal):
            found[entry.name] = goal
    return found


async def goal_success(
    scenario: Scenario, samples: Samples, *, engine: Engine, specification: Specification, model: bytes
) -> dict[str, float]:
    """The share of each attack's samples, 0 to 1, that the model answers as the attack wants.

    Empty where no attack has a goal, or where a dishonest evaluator left a model that nobody can read.
    """
    goals = goals_of(scenario, samples)
    success: dict[str, float] = {}
    if not goals:
        return success
    try:
        weights, _ = decode(model, schema_of(specification))
    except MalformedUpdate:
        return success
    network = scenario.task.network.create("network")
    for name, goal in goals.items():
        key = f"goal:{name}:{goal.digest()[:16]}"
        engine.add_samples(key, goal)
        success[name] = (await engine.evaluate(network, weights, key)).accuracy
    return success
