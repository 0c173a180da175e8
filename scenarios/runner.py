# SPDX-License-Identifier: Apache-2.0
"""Runs one scenario: composes data, store, engine, chain and agents, waits for the end, writes what it came to."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from bcfl import log
from bcfl.agents.adversaries.slow_contents import SlowContents
from bcfl.agents.chronicle import Chronicle, TaskFilter
from bcfl.agents.process import AgentProcess, ProcessSettings
from bcfl.agents.retrieval import Retrieval
from bcfl.agents.supervisor import RestartPolicy
from bcfl.chain.clock import DrivenChainClock
from bcfl.chain.deployer import Deployment
from bcfl.chain.dispatch import Gathered
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import Journal
from bcfl.chain.pump import ReconnectPolicy
from bcfl.contracts.delivery import Delivery
from bcfl.contracts.specification import Specification
from bcfl.errors import BcflError
from bcfl.models.data.dataset import Dataset
from bcfl.models.training.engine import Engine
from bcfl.scenarios.chain_setup import Chain, opened_chain, set_up
from bcfl.scenarios.crew import Crew, circles_of, recruit, sight_of
from bcfl.scenarios.goals import goal_success
from bcfl.scenarios.population import (
    PUBLISHER,
    TRAIN_SAMPLES,
    VALIDATION_SAMPLES,
    Population,
    Task,
    plan_task,
    populate,
    task_config,
)
from bcfl.scenarios.progress import RunEnded, RunEvent, RunStarted
from bcfl.scenarios.recorder import Recorder
from bcfl.scenarios.results import Results
from bcfl.scenarios.run_directory import RunDirectory
from bcfl.scenarios.schema import Scenario
from bcfl.scenarios.stepping import drive
from bcfl.scenarios.summary import Summary, Timings
from bcfl.scenarios.timing import Stopwatch, TimedStore
from bcfl.seeds import Seeds
from bcfl.storage.errors import FetchError
from bcfl.storage.opening import open_store

__all__ = ("RunResult", "run")


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Where a run left its files, and what it came to."""

    directory: Path
    summary: Summary


async def run(
    scenario: Scenario,
    *,
    out: Path | None = None,
    data_dir: Path | None = None,
    dataset: Dataset | None = None,
    observer: Callable[[RunEvent], None] = lambda _: None,
) -> RunResult:
    """Run a scenario to its end.

    Args:
        scenario: as ``scenarios.load`` gives it.
        out: the run directory; by default ``runs/<name>-<stamp>``.
        data_dir: where data lie that no package carries.
        dataset: the scenario's, where the caller has it in memory already.
        observer: told of progress.

    Raises:
        BcflError: one clear sentence on what could not be done.
    """
    began = time.perf_counter()
    if dataset is None:
        source = scenario.data.dataset.create("dataset")
        loaded: Dataset = await anyio.to_thread.run_sync(source.load, data_dir)
        dataset = loaded
    seeds = Seeds(scenario.seed)
    population = populate(scenario, dataset, seeds)
    plan = plan_task(scenario, population, seeds)
    with RunDirectory.create(scenario, out=out) as directory:
        log.configure(json_file=directory.log_file)
        async with _equipped(scenario, dataset, population, plan, directory, observer) as rig:
            await _carry_out(rig, seeds, observer)
            summary = await _conclude(rig, began)
    observer(RunEnded(summary=summary))
    return RunResult(directory=directory.path, summary=summary)


@dataclass(frozen=True, kw_only=True)
class _Rig:
    """Everything of a run but the chain."""

    scenario: Scenario
    population: Population
    plan: Task
    directory: RunDirectory
    engine: Engine
    store: TimedStore
    results: Results
    recorder: Recorder
    chain_time: Stopwatch


@asynccontextmanager
async def _equipped(
    scenario: Scenario,
    dataset: Dataset,
    population: Population,
    plan: Task,
    directory: RunDirectory,
    observer: Callable[[RunEvent], None],
) -> AsyncIterator[_Rig]:
    """Engine, store and recorder for the length of the block."""
    compute = scenario.compute
    location = str(directory.blobs) if scenario.storage.kind == "directory" else scenario.storage.url
    async with (
        Engine.start(
            executor=compute.executor, workers=compute.workers or _cores(), device=compute.device
        ) as engine,
        open_store(scenario.storage.kind, location) as store,
    ):
        engine.add_samples(TRAIN_SAMPLES, dataset.train)
        engine.add_samples(VALIDATION_SAMPLES, population.validation)
        results = Results()
        yield _Rig(
            scenario=scenario,
            population=population,
            plan=plan,
            directory=directory,
            engine=engine,
            store=TimedStore(store),
            results=results,
            recorder=Recorder(directory=directory, results=results, watch=observer),
            chain_time=Stopwatch(),
        )


async def _carry_out(rig: _Rig, seeds: Seeds, observer: Callable[[RunEvent], None]) -> None:
    """Open the chain, set it up and let everybody act until all is paid."""
    population = rig.population
    try:
        async with opened_chain(rig.scenario) as chain:
            deployment = await set_up(rig.scenario, chain, population, rig.plan, rig.directory)
            node = chain.node
            async with Journal.open(
                ":memory:", chain_id=node.chain_id, genesis_hash=node.genesis_hash
            ) as journal:
                process = await _compose(rig, chain, deployment, journal, seeds)
                behaviours = rig.scenario.behaviours
                rig.recorder.started(
                    {
                        name: {
                            "role": population.role(name),
                            "address": population.signers[name].address,
                            "behaviour": behaviours.get(name, "honest"),
                        }
                        for name in population.agents
                    }
                )
                observer(
                    RunStarted(
                        scenario=rig.scenario, trainers=population.trainers, evaluators=population.evaluators
                    )
                )
                await _live(process, chain, rig.chain_time)
                rig.recorder.flush()
    except BaseExceptionGroup as group:
        raise _plainest(group) from group


async def _conclude(rig: _Rig, began: float) -> Summary:
    """Write the tables and the final model."""
    final: bytes | None = None
    with contextlib.suppress(FetchError):  # a dishonest evaluator may have named a model that nobody has
        final = await Retrieval(rig.store).content(
            rig.results.state.model, max_bytes=rig.scenario.task.intake.max_update_bytes
        )
    if final is not None:
        rig.directory.write_model(final)
        success = await goal_success(
            rig.scenario,
            rig.population.validation,
            engine=rig.engine,
            specification=Specification.decode(rig.plan.specification),
            model=final,
        )
        if success:
            rig.recorder.goals_measured(success)
    busy = rig.engine.busy_seconds
    summary = rig.results.summary(
        scenario=rig.scenario.name,
        seed=rig.scenario.seed,
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


async def _compose(
    rig: _Rig, chain: Chain, deployment: Deployment, journal: Journal, seeds: Seeds
) -> AgentProcess:
    """The process with all its agents."""
    node = chain.node
    own = chain.devnet is not None
    tip = 0 if own else (await node.fee_data()).priority_fee
    publisher = rig.population.signers[PUBLISHER].address
    process = AgentProcess(
        node=node,
        journal=journal,
        clock=chain.clock,
        dispatch=chain.dispatch,
        wanted=TaskFilter(factory=deployment.factory, publisher=publisher),
        observer=rig.recorder,
        busy=rig.chain_time,
        settings=ProcessSettings(
            confirmations=rig.scenario.chain.confirmations,
            start_block=deployment.block + 1,
            reconnect=None if own else ReconnectPolicy(),
            fees=FeePolicy(tip=tip),
            restarts=RestartPolicy(outlives_node=not own),
        ),
    )
    store = SlowContents(rig.store)
    crew = Crew(
        population=rig.population,
        seeds=seeds,
        engine=rig.engine,
        store=store,
        retrieval=Retrieval(store),
        journal=journal,
        node=node,
        observer=rig.recorder,
        in_turn=not chain.driven,
        scenario=rig.scenario,
        circles=circles_of(rig.scenario, rig.population),
        sight=sight_of(rig.scenario, rig.population),
    )
    config = task_config(rig.scenario, rig.plan, token=deployment.token, publisher=publisher)
    for role, signer in recruit(crew, config=config, plan=rig.plan, factory=deployment.factory):
        process.add(role, signer)
    return process


async def _live(process: AgentProcess, chain: Chain, chain_time: Stopwatch) -> None:
    """Let everybody act until the task has ended and everything is paid."""
    over = anyio.Event()

    def look(_delivery: Delivery) -> None:
        if _settled(process.chronicle):
            over.set()

    process.listen(look)
    async with anyio.create_task_group() as group:
        group.start_soon(process.run)
        if chain.devnet is not None:
            group.start_soon(chain.devnet.watch)
        if isinstance(chain.dispatch, Gathered) and isinstance(chain.clock, DrivenChainClock):

            async def driver(dispatch: Gathered, clock: DrivenChainClock) -> None:
                await drive(
                    process=process,
                    node=chain.node,
                    dispatch=dispatch,
                    clock=clock,
                    busy=chain_time,
                    over=over,
                )

            group.start_soon(driver, chain.dispatch, chain.clock)
        await over.wait()
        group.cancel_scope.cancel()


def _settled(chronicle: Chronicle) -> bool:
    """Whether the task has ended for good and nobody is owed anything."""
    state = chronicle.final
    return (
        state is not None
        and state.ended
        and state.returned is not None
        and all(member.withdrawn >= member.earned and not member.stake for member in state.members.values())
        and all(not evaluator.bond or evaluator.returned for evaluator in state.evaluators)
    )


def _plainest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of what ended a run, the sentence closest to the cause: a dead devnet before the lost connection it leaves."""
    leaves: list[BaseException] = []

    def collect(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                collect(part)
        else:
            leaves.append(error)

    collect(group)
    ours = [error for error in leaves if isinstance(error, BcflError)]
    return min(ours, key=lambda error: type(error).__name__ != "DevnetDied") if ours else leaves[0]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
