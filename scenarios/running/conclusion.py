# SPDX-License-Identifier: Apache-2.0
"""What a run came to, once all is paid: the runner's own measurements, the final model, the tables.

In a consortium nobody in the protocol knows how good the models are for patients whom no member has seen; the runner
measures them on the test split. What it measures goes into the event log, so that a replay has it too.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from bcfl.agents.common.retrieval import Retrieval
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.models.networks.network import Network
from bcfl.models.performance import Performance
from bcfl.models.training.hyperparameters import hyperparameters_of
from bcfl.scenarios.directory.digests import write_digests
from bcfl.scenarios.outcome.baselines import Setting, compare
from bcfl.scenarios.outcome.goals import goal_success
from bcfl.scenarios.outcome.run_log import CLASSES_MEASURED, GOALS_MEASURED, MEMBERS_MEASURED, MODELS_MEASURED
from bcfl.scenarios.outcome.summary import Summary, Timings
from bcfl.scenarios.planning.population import TRAIN_SAMPLES
from bcfl.scenarios.running.measuring import measured_classes, measured_models, model_bytes, usable_weights
from bcfl.scenarios.running.resources import RunResources

__all__ = ("conclude",)


async def conclude(resources: RunResources, began: float) -> Summary:
    """Measure, and write the tables and the final model; ``began``: when the run did, by ``time.perf_counter``."""
    plan, results = resources.plan, resources.results
    specification = Specification.decode(plan.task.specification)
    contents = Retrieval(resources.store)
    final = await model_bytes(contents, results.state, results.state.model)
    if final is not None:
        resources.directory.write_model(final, plan.card)
        success = await goal_success(
            plan.scenario,
            plan.population.validation,
            engine=resources.engine,
            specification=specification,
            model=final,
        )
        if success:
            resources.recorder.measured(GOALS_MEASURED, success=success)
    weights = usable_weights(specification, final)
    if weights is not None:
        classes = await measured_classes(plan, weights, resources.engine)
        resources.recorder.measured(CLASSES_MEASURED, classes=classes)
    if plan.scenario.kind is Kind.CONSORTIUM:
        models = await measured_models(
            results.state,
            network=_network(resources),
            specification=specification,
            contents=contents,
            engine=resources.engine,
        )
        resources.recorder.measured(MODELS_MEASURED, models=models)
        await _measure_members(resources, specification, final)
    busy = resources.engine.busy_seconds
    summary = results.summary(
        scenario=plan.scenario.name,
        seed=plan.scenario.seed,
        timings=Timings(
            total_s=time.perf_counter() - began,
            training_s=busy["training"],
            scoring_s=busy["scoring"] + busy["evaluation"],
            chain_s=resources.chain_time.seconds,
            storage_s=resources.store.watch.seconds,
        ),
    )
    for record in summary.rounds:
        resources.directory.append_round(record)
    resources.directory.write_summary(summary)
    write_digests(resources.directory)
    return summary


async def _measure_members(
    resources: RunResources, specification: Specification, final: bytes | None
) -> None:
    """What each member's patients get from the common model, and what they would without it."""
    plan = resources.plan
    genesis = usable_weights(specification, plan.task.genesis)
    assert genesis is not None  # noqa: S101 - we have made it
    setting = Setting(
        network=_network(resources),
        hyperparameters=partial(hyperparameters_of, specification.training),
        genesis=genesis,
        rounds=plan.scenario.task.rounds,
        train=TRAIN_SAMPLES,
        shares=plan.population.shares,
        seeds=plan.seeds,
    )
    found = await compare(
        setting,
        resources.engine,
        test=plan.population.validation,
        wanted=plan.scenario.baselines,
        federated=usable_weights(specification, final),
    )
    resources.recorder.measured(
        MEMBERS_MEASURED,
        members={
            member.name: {
                "own_test": member.own_test,
                "alone": _numbers(member.alone),
                "pooled": _numbers(member.pooled),
                "federated": _numbers(member.federated),
                "alone_on_all": _numbers(member.alone_on_all),
            }
            for member in found.members
        },
    )


def _numbers(found: Performance | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "accuracy": found.accuracy,
        "auroc": found.auroc,
        "loss": found.loss,
        "samples": found.samples,
    }


def _network(resources: RunResources) -> Network:
    network: Network = resources.plan.scenario.task.network.create("network")
    return network
