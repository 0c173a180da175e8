# SPDX-License-Identifier: Apache-2.0
"""Goes on with a run that was stopped or killed, where it was: on its own devnet made again, or on the node that it was on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

from bcfl.models.training.cluster import Cluster
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.interrupted import held, kept_blocks, kept_records, start_over
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.trained import kept_genesis
from bcfl.scenarios.errors import RunNotResumable
from bcfl.scenarios.planning.plan import planned
from bcfl.scenarios.running.past import Past
from bcfl.scenarios.running.progress import Preparing, RunEvent
from bcfl.scenarios.running.runner import RunResult, carry_out, check_happened

__all__ = ("resume",)


async def resume(
    path: Path,
    *,
    url: str | None = None,
    data_dir: Path | None = None,
    observer: Callable[[RunEvent], None] = lambda _: None,
    cluster: Cluster | None = None,
) -> RunResult:
    """Carry a run on to its end; one that has ended is left as it is.

    Model and tokens come out as if the run had not been stopped: on a driven devnet what was done since its last block is
    done again, elsewhere the journal has what was decided, and deadlines have gone on.

    Args:
        path: the run's directory.
        url: the node's address, where it is not the one that ``chain.json`` shows.
        data_dir: where data lie that no package carries.
        observer: told of progress.
        cluster: computes, in this machine's stead.

    Raises:
        RunInUse: the run goes on in another process.
        RunNotResumable: what it needs is gone.
        BcflError: one clear sentence on what could not be done.
    """
    began = time.perf_counter()
    with RunDirectory.open(path) as directory, held(path):
        if directory.digests_file.is_file():  # the last that a run writes
            directory.forget_chain()
            summary = directory.summary()
            check_happened(summary, path)
            return RunResult(directory=path, summary=summary)
        scenario = directory.scenario()
        _check(scenario, directory)
        observer(
            Preparing(scenario=scenario.name, what=f"loading {scenario.data.dataset.name}", directory=path)
        )
        record = directory.chain() if directory.chain_file.is_file() else {}
        plan = await planned(
            scenario, data_dir=data_dir, started_in=record.get("started_in"), genesis=kept_genesis(directory)
        )
        hosted = record.get("hosted")
        past = None
        if record:
            others = () if hosted is None else [one for one in plan.population.agents if one not in hosted]
            past = _past(scenario, directory, others=others, url=url)
        else:
            start_over(directory)
        summary = await carry_out(
            plan, directory, hosted=hosted, began=began, observer=observer, past=past, cluster=cluster
        )
    return RunResult(directory=path, summary=summary)


def _check(scenario: Scenario, directory: RunDirectory) -> None:
    if scenario.storage.kind == "memory":
        raise RunNotResumable(
            f"The run in {directory.path} kept its models in memory (storage.kind: memory), so they are gone; run the scenario again."
        )


def _past(scenario: Scenario, directory: RunDirectory, *, others: Collection[str], url: str | None) -> Past:
    blocks = kept_blocks(directory) if scenario.chain.driven else []
    records = kept_records(directory, block=blocks[-1].number if blocks else None, others=others)
    directory.rounds_file.unlink(missing_ok=True)
    return Past(records=records, blocks=blocks, url=url)
