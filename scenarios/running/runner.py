# SPDX-License-Identifier: Apache-2.0
"""Runs one scenario: sets up its chain, hosts its agents until all is paid, writes what it came to.

It may host some of the agents only: the others then take part from processes of their own (``scenarios.participant``).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bcfl import log
from bcfl.agents.errors import NothingHappened
from bcfl.chain.deployer import Deployment
from bcfl.errors import first_cause
from bcfl.log import public_url
from bcfl.models.data.dataset import Dataset
from bcfl.models.training.cluster import Cluster
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.interrupted import held
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.trained import keep_genesis
from bcfl.scenarios.outcome.ending import nothing_happened
from bcfl.scenarios.outcome.summary import Summary
from bcfl.scenarios.planning.plan import Plan, planned
from bcfl.scenarios.planning.preflight import check_disk, check_privacy
from bcfl.scenarios.running.chain_setup import Chain, opened_chain, reopened_chain, set_up
from bcfl.scenarios.running.conclusion import conclude
from bcfl.scenarios.running.distribution import agents_ended, check_host
from bcfl.scenarios.running.hosting import compose, everybody_paid, journals, live
from bcfl.scenarios.running.past import Past, take_up
from bcfl.scenarios.running.progress import Preparing, RunEnded, RunEvent, RunStarted
from bcfl.scenarios.running.resources import RunResources, equipped

__all__ = ("RunResult", "carry_out", "check_happened", "run")


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
    only: Collection[str] | None = None,
    observer: Callable[[RunEvent], None] = lambda _: None,
    cluster: Cluster | None = None,
) -> RunResult:
    """Run a scenario to its end.

    Args:
        scenario: as ``scenarios.load`` gives it.
        out: the run directory; by default ``runs/<name>-<stamp>``.
        data_dir: where data lie that no package carries.
        dataset: the scenario's, where the caller has it in memory already.
        only: the participants that this process hosts, the publisher among them; by default all.
        observer: told of progress.
        cluster: computes, in this machine's stead; everything else of the run is here.

    Raises:
        BcflError: one clear sentence on what could not be done.
    """
    began = time.perf_counter()
    if only is not None:
        check_host(scenario, only)
    RunDirectory.check_free(out)
    check_privacy(scenario, only)
    observer(Preparing(scenario=scenario.name, what=f"loading {scenario.data.dataset.name}"))
    plan = await planned(scenario, data_dir=data_dir, dataset=dataset)
    with RunDirectory.create(plan.scenario, out=out) as directory, held(directory.path):
        check_disk(scenario, directory.path, len(plan.task.genesis))
        if scenario.task.genesis is not None:
            keep_genesis(directory, plan.task.genesis)
        summary = await carry_out(
            plan, directory, hosted=only, began=began, observer=observer, cluster=cluster
        )
    return RunResult(directory=directory.path, summary=summary)


async def carry_out(
    plan: Plan,
    directory: RunDirectory,
    *,
    hosted: Collection[str] | None,
    began: float,
    observer: Callable[[RunEvent], None],
    past: Past | None = None,
    cluster: Cluster | None = None,
) -> Summary:
    """From the chain to the tables: what a run does once its data are there and its directory is its own.

    Args:
        plan: of the run.
        directory: of the run.
        hosted: the participants that this process hosts; None: all.
        began: when that was, by ``time.perf_counter``.
        observer: told of progress.
        past: what there is from before a kill.
        cluster: as in ``run``.

    Raises:
        NothingHappened: no round was scored or paid.
        BcflError: one clear sentence on what could not be done.
    """
    log.configure(json_file=directory.log_file)
    at_once = not plan.scenario.chain.driven  # there nothing is done again that was done
    async with equipped(
        plan, directory, append=directory.append_event, observer=observer, at_once=at_once, cluster=cluster
    ) as resources:
        await _act(resources, hosted, observer, past)
        summary = await conclude(resources, began)
    directory.forget_chain()
    observer(RunEnded(summary=summary))
    check_happened(summary, directory.path)
    return summary


def check_happened(summary: Summary, path: Path) -> None:
    """A run in which no round was scored or paid is no success.

    Raises:
        NothingHappened: it is this one.
    """
    nothing = nothing_happened(summary)
    if nothing:
        raise NothingHappened(f"{nothing} Everything that was done is in {path}.")


async def _act(
    resources: RunResources,
    hosted: Collection[str] | None,
    observer: Callable[[RunEvent], None],
    past: Past | None,
) -> None:
    """Open the chain, set it up and let everybody act until all is paid."""
    plan, recorder = resources.plan, resources.recorder
    population = plan.population
    try:
        async with _chain(resources, hosted, observer, past) as (chain, deployment):
            async with journals(resources, chain, hosted) as journal:
                acting = await compose(resources, chain, deployment, journal, hosted, past)
                if past is None or not past.records:
                    recorder.started(plan.participants, plan.notes)
                observer(
                    RunStarted(
                        scenario=plan.scenario,
                        trainers=population.trainers,
                        evaluators=population.evaluators,
                        notes=(*plan.notes, *plan.cautions),
                    )
                )
                if past is not None:  # after everybody was shown: what they have done is told again
                    await take_up(past, chain.node, recorder)
                others = () if hosted is None else [name for name in population.agents if name not in hosted]
                after = partial(agents_ended, resources.directory, others) if others else None
                await live(acting, chain, resources.chain_time, everybody_paid, after=after)
                recorder.flush()
            for name in others:
                recorder.take_over(resources.directory.agent_events(name))
    except BaseExceptionGroup as group:
        raise first_cause(group) from group


@asynccontextmanager
async def _chain(
    resources: RunResources,
    hosted: Collection[str] | None,
    observer: Callable[[RunEvent], None],
    past: Past | None,
) -> AsyncIterator[tuple[Chain, Deployment]]:
    plan, directory = resources.plan, resources.directory
    scenario = plan.scenario

    def prepare(what: str) -> None:
        lasting = scenario.storage.kind != "memory"
        observer(Preparing(scenario=scenario.name, what=what, directory=directory.path if lasting else None))

    url = scenario.chain.url if past is None else past.url or scenario.chain.url
    where = None if url is None else public_url(url)
    if past is not None:
        prepare("making the chain again" if where is None else f"connecting to {where}")
        async with reopened_chain(scenario, directory, blocks=past.blocks, url=past.url) as reopened:
            yield reopened
        return
    prepare("starting a chain" if where is None else f"connecting to {where}")
    async with opened_chain(scenario, directory) as chain:
        prepare("deploying contracts")
        yield chain, await set_up(scenario, chain, plan.population, plan.task, directory, hosted=hosted)
