# SPDX-License-Identifier: Apache-2.0
"""Takes part in a run that another process has set up: some of its participants, in a process of their own.

What they decide is in their journals before anybody sees it, so a process that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bcfl import log
from bcfl.contracts.ids import Address
from bcfl.errors import first_cause
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.trained import kept_genesis
from bcfl.scenarios.errors import NotApart
from bcfl.scenarios.planning.plan import Plan, planned
from bcfl.scenarios.planning.population import KEEPER
from bcfl.scenarios.planning.preflight import check_privacy
from bcfl.scenarios.running.chain_setup import joined_chain
from bcfl.scenarios.running.distribution import AGENT_ENDED, check_agents
from bcfl.scenarios.running.hosting import Enough, compose, everybody_paid, journals, live, paid
from bcfl.scenarios.running.progress import RunEvent, RunStarted
from bcfl.scenarios.running.resources import RunResources, equipped

__all__ = ("take_part",)


async def take_part(
    path: Path,
    names: Sequence[str],
    *,
    url: str | None = None,
    data_dir: Path | None = None,
    observer: Callable[[RunEvent], None] = lambda _: None,
) -> dict[str, int]:
    """Act for these participants until the task has ended and they have all that it owes them.

    Args:
        path: the run's directory.
        names: the participants; the first one's files hold the journal and the log of all.
        url: the node's address, where it is not the one in ``chain.json``.
        data_dir: where data lie that no package carries.
        observer: told of progress.

    Returns:
        What each of them was paid, in 10⁻⁹ token.

    Raises:
        BcflError: one clear sentence on what could not be done.
    """
    with RunDirectory.open(path) as directory:
        scenario, record = directory.scenario(), directory.chain()
        check_agents(scenario, names)
        check_privacy(scenario, names)
        if "hosted" in record and record["hosted"] is None:
            raise NotApart(
                f"One process carries out the whole run in {path}: 'bcfl resume {path}' goes on with it, should it have been stopped."
            )
        directory.agents.mkdir(exist_ok=True)
        log.configure(json_file=directory.agent_log_file(names[0]))
        plan = await planned(
            scenario, data_dir=data_dir, started_in=record.get("started_in"), genesis=kept_genesis(directory)
        )

        def append(line: Mapping[str, Any]) -> None:
            if line["source"] in names:  # the chain's events are in the host's log
                directory.append_agent_event(line["source"], line)

        async with equipped(plan, directory, append=append, observer=observer, at_once=True) as resources:
            await _act(resources, record, names, url, observer)
        state = resources.results.state
        accounts = _accounts(plan, names)
        return {
            name: state.members[state.index_of[account]].withdrawn if account in state.index_of else 0
            for name, account in zip(names, accounts, strict=True)
        }


async def _act(
    resources: RunResources,
    record: dict[str, Any],
    names: Sequence[str],
    url: str | None,
    observer: Callable[[RunEvent], None],
) -> None:
    plan = resources.plan
    population = plan.population
    try:
        async with (
            joined_chain(record, url=url) as (chain, deployment),
            journals(resources, chain, names) as journal,
        ):
            acting = await compose(resources, chain, deployment, journal, names)
            resources.recorder.started(plan.participants, plan.notes)
            observer(
                RunStarted(
                    scenario=plan.scenario, trainers=population.trainers, evaluators=population.evaluators
                )
            )
            # Who comes back when all is paid still has the last model to compute.
            await live(
                acting, chain, resources.chain_time, _enough(plan, names), after=acting.process.activity.idle
            )
            resources.recorder.flush()
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
    for name in names:
        resources.recorder.decided(
            agent=name, role=population.role(name), name=AGENT_ENDED, round_number=0, evidence={}
        )


def _enough(plan: Plan, names: Sequence[str]) -> Enough:
    # A keeper has everybody paid, itself nothing.
    return everybody_paid if KEEPER in names else paid(_accounts(plan, names))


def _accounts(plan: Plan, names: Sequence[str]) -> list[Address]:
    return [plan.population.signers[name].address for name in names]
