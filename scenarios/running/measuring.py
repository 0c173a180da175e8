# SPDX-License-Identifier: Apache-2.0
"""How good the models of a task are on samples that no member has: measured when a run ends, and again by its audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bcfl.agents.common.retrieval import Retrieval, schema_of
from bcfl.contracts.ids import ContentId
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.models.errors import MalformedUpdate
from bcfl.models.networks.network import Network
from bcfl.models.training.engine import Engine
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import decode
from bcfl.scenarios.outcome.classes import classes_measured
from bcfl.scenarios.planning.plan import Plan
from bcfl.scenarios.planning.population import TRAIN_SAMPLES, VALIDATION_SAMPLES
from bcfl.storage.errors import FetchError

__all__ = ("measured_classes", "measured_models", "model_bytes", "usable_weights")


async def model_bytes(contents: Retrieval, state: TaskState, content: ContentId) -> bytes | None:
    """A model's bytes; None where a dishonest judge has named one that nobody has."""
    try:
        return await contents.content(content, max_bytes=state.config.max_update_size)
    except FetchError:
        return None


def usable_weights(specification: Specification, data: bytes | None) -> Weights | None:
    """A model that can be used, None for what somebody named in its place."""
    try:
        return None if data is None else decode(data, schema_of(specification))[0]
    except MalformedUpdate:
        return None


async def measured_classes(plan: Plan, weights: Weights, engine: Engine) -> dict[str, Any]:
    """Which class the final model takes for which; the engine has both of the population's samples."""
    return await classes_measured(
        plan.scenario.task.network.create("network"),
        weights,
        engine,
        validation=VALIDATION_SAMPLES,
        train=TRAIN_SAMPLES,
        shares=plan.population.shares,
        labels=plan.card.labels,
    )


async def measured_models(
    state: TaskState,
    *,
    network: Network,
    specification: Specification,
    contents: Retrieval,
    engine: Engine,
) -> dict[str, Mapping[str, float]]:
    """Loss and accuracy of the genesis (0) and of every round's model on the test split, by round.

    Args:
        state: of the task.
        network: of its models.
        specification: of the task.
        contents: where models come from.
        engine: has the test split under ``VALIDATION_SAMPLES``.
    """
    named = {0: state.config.genesis}
    named |= {number: record.model for number, record in state.rounds.items() if record.model is not None}
    measured: dict[ContentId, Mapping[str, float]] = {}
    for content in named.values():
        known = content in measured
        data = None if known else await model_bytes(contents, state, content)
        weights = usable_weights(specification, data)
        if weights is not None:
            found = await engine.evaluate(network, weights, VALIDATION_SAMPLES)
            measured[content] = {"loss": found.loss, "accuracy": found.accuracy}
    return {str(number): measured[named[number]] for number in sorted(named) if named[number] in measured}
