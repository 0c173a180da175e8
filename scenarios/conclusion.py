# SPDX-License-Identifier: Apache-2.0
"""What a run came to, once all is paid: the runner's own measurements, the final model, the tables.

In a consortium nobody in the protocol knows how good the models are for patients whom no member has seen; the runner
measures them on the test split. What it measures goes into the event log, so that a replay has it too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bcfl.agents.retrieval import Retrieval, schema_of
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.models.errors import MalformedUpdate
from bcfl.models.networks.network import Network
from bcfl.models.performance import Performance
from bcfl.models.training.job import Hyperparameters
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import decode
from bcfl.scenarios.baselines import Setting, compare
from bcfl.scenarios.goals import goal_success
from bcfl.scenarios.population import TRAIN_SAMPLES, VALIDATION_SAMPLES
from bcfl.scenarios.results import GOALS_MEASURED, MEMBERS_MEASURED, MODELS_MEASURED
from bcfl.scenarios.rig import Rig
from bcfl.scenarios.summary import Summary, Timings
from bcfl.storage.errors import FetchError

__all__ = ("conclude",)


async def conclude(rig: Rig, began: float) -> Summary:
    """Measure, and write the tables and the final model; ``began``: when the run did, by ``time.perf_counter``."""
    plan, results = rig.plan, rig.results
    specification = Specification.decode(plan.task.specification)
    final = await _content(rig, results.state.model)
    if final is not None:
        rig.directory.write_model(final)
        success = await goal_success(
            plan.scenario,
            plan.population.validation,
            engine=rig.engine,
            specification=specification,
            model=final,
        )
        if success:
            rig.recorder.measured(GOALS_MEASURED, success=success)
    if plan.scenario.kind is Kind.CONSORTIUM:
        await _measure_models(rig, specification)
        await _measure_members(rig, specification, final)
    busy = rig.engine.busy_seconds
    summary = results.summary(
        scenario=plan.scenario.name,
        seed=plan.scenario.seed,
        timings=Timings(
            total_s=time.perf_counter() - began,
            training_s=busy["training"],
            scoring_s=busy["scoring"] + busy["evaluation"],
            chain_s=rig.chain_time.seconds,
            storage_s=rig.store.watch.seconds,
        ),
    )
    for record in summary.rounds:
        rig.directory.append_round(record)
    rig.directory.write_summary(summary)
    return summary


async def _content(rig: Rig, content: ContentId) -> bytes | None:
    """A model's bytes; None where a dishonest judge has named one that nobody has."""
    try:
        return await Retrieval(rig.store).content(
            content, max_bytes=rig.plan.scenario.task.intake.max_update_bytes
        )
    except FetchError:
        return None


def _weights(specification: Specification, data: bytes | None) -> Weights | None:
    """A model that can be used, None for what somebody named in its place."""
    try:
        return None if data is None else decode(data, schema_of(specification))[0]
    except MalformedUpdate:
        return None


async def _measure_models(rig: Rig, specification: Specification) -> None:
    """The genesis and the model of every round, on samples that no member has."""
    state = rig.results.state
    network = _network(rig)
    named = {0: state.config.genesis}
    named |= {number: record.model for number, record in state.rounds.items() if record.model is not None}
    measured: dict[ContentId, Mapping[str, float]] = {}
    for content in named.values():
        weights = None if content in measured else _weights(specification, await _content(rig, content))
        if weights is not None:
            found = await rig.engine.evaluate(network, weights, VALIDATION_SAMPLES)
            measured[content] = {"loss": found.loss, "accuracy": found.accuracy}
    rig.recorder.measured(
        MODELS_MEASURED,
        models={
            str(number): measured[named[number]] for number in sorted(named) if named[number] in measured
        },
    )


async def _measure_members(rig: Rig, specification: Specification, final: bytes | None) -> None:
    """What each member's patients get from the common model, and what they would without it."""
    plan = rig.plan
    genesis = _weights(specification, plan.task.genesis)
    assert genesis is not None  # noqa: S101 - we have made it
    setting = Setting(
        network=_network(rig),
        hyperparameters=Hyperparameters(**specification.training),
        genesis=genesis,
        rounds=plan.scenario.task.rounds,
        train=TRAIN_SAMPLES,
        shares=plan.population.shares,
        seeds=plan.seeds,
    )
    found = await compare(
        setting,
        rig.engine,
        test=plan.population.validation,
        wanted=plan.scenario.baselines,
        federated=_weights(specification, final),
    )
    rig.recorder.measured(
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


def _network(rig: Rig) -> Network:
    network: Network = rig.plan.scenario.task.network.create("network")
    return network
