# SPDX-License-Identifier: Apache-2.0
"""Runs one scenario: sets up its chain, hosts its agents until all is paid, writes what it came to.

It may host some of the agents only: the others then take part from processes of their own (``scenarios.participant``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bcfl import log
from bcfl.agents.errors import NothingHappened
from bcfl.errors import first_cause
from bcfl.log import public_url
from bcfl.models.data.dataset import Dataset
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.ending import nothing_happened
from bcfl.scenarios.outcome.summary import Summary
from bcfl.scenarios.planning.plan import planned
from bcfl.scenarios.planning.preflight import check_disk
from bcfl.scenarios.running.chain_setup import opened_chain, set_up
from bcfl.scenarios.running.conclusion import conclude
from bcfl.scenarios.running.distribution import agents_ended, check_host
from bcfl.scenarios.running.hosting import compose, everybody_paid, journals, live
from bcfl.scenarios.running.progress import Preparing, RunEnded, RunEvent, RunStarted
from bcfl.scenarios.running.resources import RunResources, equipped

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
    only: Collection[str] | None = None,
    observer: Callable[[RunEvent], None] = lambda _: None,
) -> RunResult:
    """Run a scenario to its end.

    Args:
        scenario: as ``scenarios.load`` gives it.
        out: the run directory; by default ``runs/<name>-<stamp>``.
        data_dir: where data lie that no package carries.
        dataset: the scenario's, where the caller has it in memory already.
        only: the participants that this process hosts, the publisher among them; by default all.
        observer: told of progress.

    Raises:
        BcflError: one clear sentence on what could not be done.
    """
    began = time.perf_counter()
    if only is not None:
        check_host(scenario, only)
    RunDirectory.check_free(out)
    observer(Preparing(scenario=scenario.name, what=f"loading {scenario.data.dataset.name}"))
    plan = await planned(scenario, data_dir=data_dir, dataset=dataset)
    with RunDirectory.create(plan.scenario, out=out) as directory:
        check_disk(scenario, directory.path, len(plan.task.genesis))
        log.configure(json_file=directory.log_file)
        async with equipped(plan, directory, append=directory.append_event, observer=observer) as resources:
            await _carry_out(resources, only, observer)
            summary = await conclude(resources, began)
    observer(RunEnded(summary=summary))
    nothing = nothing_happened(summary)
    if nothing:
        raise NothingHappened(f"{nothing} Everything that was done is in {directory.path}.")
    return RunResult(directory=directory.path, summary=summary)


async def _carry_out(
    resources: RunResources, only: Collection[str] | None, observer: Callable[[RunEvent], None]
) -> None:
    """Open the chain, set it up and let everybody act until all is paid."""
    plan = resources.plan
    population = plan.population
    url = plan.scenario.chain.url
    what = "starting a chain" if url is None else f"connecting to {public_url(url)}"
    observer(Preparing(scenario=plan.scenario.name, what=what))
    try:
        async with opened_chain(plan.scenario) as chain:
            observer(Preparing(scenario=plan.scenario.name, what="deploying contracts"))
            deployment = await set_up(plan.scenario, chain, population, plan.task, resources.directory)
            async with journals(resources, chain, only) as journal:
                process = await compose(resources, chain, deployment, journal, only)
                resources.recorder.started(plan.participants, plan.notes)
                observer(
                    RunStarted(
                        scenario=plan.scenario,
                        trainers=population.trainers,
                        evaluators=population.evaluators,
                        notes=plan.notes,
                    )
                )
                others = () if only is None else [name for name in population.agents if name not in only]
                after = partial(agents_ended, resources.directory, others) if others else None
                await live(process, chain, resources.chain_time, everybody_paid, after=after)
                resources.recorder.flush()
            for name in others:
                resources.recorder.take_over(resources.directory.agent_events(name))
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
