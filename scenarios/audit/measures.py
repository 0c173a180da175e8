# SPDX-License-Identifier: Apache-2.0
"""What the runner measured when all was over, measured again: each model of a consortium, and what data attacks achieved.

What each member would have alone or pooled needs training, and is not repeated.
"""

from __future__ import annotations

import math
from typing import Any

from bcfl.agents.audit.finding import Finding
from bcfl.agents.common.retrieval import Retrieval
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.models.training.engine import Engine
from bcfl.scenarios.audit.differences import differences
from bcfl.scenarios.directory.event_log import FILE, EventLog
from bcfl.scenarios.outcome.goals import goal_success
from bcfl.scenarios.outcome.run_log import CLASSES_MEASURED, GOALS_MEASURED, MODELS_MEASURED
from bcfl.scenarios.planning.plan import Plan
from bcfl.scenarios.running.measuring import measured_classes, measured_models, model_bytes, usable_weights

__all__ = ("measure_findings",)

_TOLERANCE = 1e-6


async def measure_findings(
    plan: Plan, log: EventLog, state: TaskState, *, contents: Retrieval, engine: Engine
) -> list[Finding]:
    """Each measurement in the log that the models and the scenario's data do not give again.

    Args:
        plan: of the scenario.
        log: the run's.
        state: after it.
        contents: where models come from.
        engine: has the population's samples, those to train on too.
    """
    specification = Specification.decode(plan.task.specification)
    due: dict[str, dict[str, Any]] = {}
    if isinstance(state, ConsortiumState):
        network = plan.scenario.task.network.create("network")
        due[MODELS_MEASURED] = {
            "models": await measured_models(
                state, network=network, specification=specification, contents=contents, engine=engine
            )
        }
    final = await model_bytes(contents, state, state.model)
    if final is not None:
        success = await goal_success(
            plan.scenario,
            plan.population.validation,
            engine=engine,
            specification=specification,
            model=final,
        )
        weights = usable_weights(specification, final)
        if weights is not None:
            due[CLASSES_MEASURED] = {"classes": await measured_classes(plan, weights, engine)}
        if success:
            due[GOALS_MEASURED] = {"success": success}
    return [found for event, values in due.items() for found in _compared(log, event, values)]


def _compared(log: EventLog, event: str, due: dict[str, Any]) -> list[Finding]:
    lines = [line for line in log.lines if line.record["event"] == event]
    if not lines:
        return [
            Finding(subject=event, message="the log has no such record, the run ended without it", where=FILE)
        ]
    said = {key: lines[-1].record.get(key) for key in due}
    return [
        Finding(
            subject=f"{event}, {key}",
            message=f"it says {told}, the data of scenario.yaml give {found}",
            where=f"{FILE}, line {lines[-1].number}",
        )
        for key, told, found in differences(said, due)
        if not _close(told, found)
    ]


def _close(told: object, found: object) -> bool:
    """Equal up to how a machine adds; what is not finite is null in the log."""
    if not isinstance(found, float):
        return False
    if not isinstance(told, float):
        return told is None and not math.isfinite(found)
    return math.isclose(told, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
