# SPDX-License-Identifier: Apache-2.0
"""Everything of a run but its chain: data, engine, store and log, open for the length of a block."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bcfl.models.training.cluster import Cluster
from bcfl.models.training.engine import Engine, ExecutorKind
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.planning.plan import Plan
from bcfl.scenarios.planning.population import (
    TRAIN_SAMPLES,
    VALIDATION_SAMPLES,
    held_out_key,
)
from bcfl.scenarios.running.progress import RunEvent
from bcfl.scenarios.running.recorder import Append, Recorder
from bcfl.scenarios.running.timing import Stopwatch, TimedStore
from bcfl.storage.opening import ContentStore, open_store

__all__ = ("RunResources", "equipped", "opened")


@dataclass(frozen=True, kw_only=True)
class RunResources:
    """What the agents of one process work with."""

    plan: Plan
    directory: RunDirectory
    engine: Engine
    store: TimedStore
    results: Results
    recorder: Recorder
    chain_time: Stopwatch


@asynccontextmanager
async def equipped(
    plan: Plan,
    directory: RunDirectory,
    *,
    append: Append,
    observer: Callable[[RunEvent], None],
    at_once: bool = False,
    cluster: Cluster | None = None,
) -> AsyncIterator[RunResources]:
    """Engine, store and recorder for the length of the block.

    Args:
        plan: of the run.
        directory: of the run.
        append: where the records of the event log go.
        observer: told of progress.
        at_once: write records as they come, and not sorted at the next block.
        cluster: computes, in this machine's stead.
    """
    executor = cluster or plan.scenario.compute.chosen_executor
    async with opened(plan, directory, executor=executor) as (engine, store):
        results = Results()
        yield RunResources(
            plan=plan,
            directory=directory,
            engine=engine,
            store=TimedStore(store),
            results=results,
            recorder=Recorder(append=append, results=results, watch=observer, at_once=at_once),
            chain_time=Stopwatch(),
        )


@asynccontextmanager
async def opened(
    plan: Plan, directory: RunDirectory, *, executor: ExecutorKind | Cluster
) -> AsyncIterator[tuple[Engine, ContentStore]]:
    """An engine that has all samples of the scenario, and the run's store: for whoever runs it, or goes over it again."""
    population, compute, storage = plan.population, plan.scenario.compute, plan.scenario.storage
    location = str(directory.blobs) if storage.kind == "directory" else storage.url
    async with (
        Engine.start(
            executor=executor,
            workers=compute.workers or (executor.cores if isinstance(executor, Cluster) else _cores()),
            device=compute.device,
            kernel=compute.chosen_kernel,
        ) as engine,
        open_store(storage.kind, location) as store,
    ):
        engine.add_samples(TRAIN_SAMPLES, population.train)
        engine.add_samples(VALIDATION_SAMPLES, population.validation)
        for name, held in population.held_out.items():
            engine.add_samples(held_out_key(name), population.train.select(held))
        yield engine, store


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
