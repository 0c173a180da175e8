# SPDX-License-Identifier: Apache-2.0
"""Follows a run by the files that it writes, while it goes on or afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
from pydantic_core import from_json

from bcfl.contracts.events import TaskCreated
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.interrupted import carried_out
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.trained import trained_model
from bcfl.scenarios.errors import RunDirectoryUnreadable
from bcfl.scenarios.following.story import Began, Ended, Tell, flat
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.outcome.summary import RoundSummary
from bcfl.storage.content_id import cid_text

__all__ = ("follow_directory",)

_LOOK_EVERY_S = 0.5
_REPORT_S = 5.0


async def follow_directory(path: Path, tell: Tell) -> None:
    """Tell the run's story as its event log grows; waits for what it has not come to yet.

    Raises:
        RunDirectoryUnreadable: there is no run in it, a file is damaged, or the run has stopped and nobody carries it out.
    """
    directory = RunDirectory.open(path)
    scenario = directory.scenario()
    log = _Log(directory)
    began = False
    told = 0
    while True:
        over = directory.digests_file.is_file()  # before the log is looked at: it is the last file
        idle = not over and not carried_out(path) and not directory.digests_file.is_file()
        await anyio.to_thread.run_sync(log.read)
        if log.created is not None and not began:
            began = True
            await tell(_began(scenario, directory, log.created))
        for done in log.rounds(told):
            told = done.round
            await tell(done)
        if over:
            await _report_of(directory)
            await tell(await anyio.to_thread.run_sync(_ended, directory))
            return
        if idle:
            raise RunDirectoryUnreadable(
                f"The run in {path} has stopped before its end, and nobody carries it out: 'bcfl resume {path}' goes on with it; follow it again then."
            )
        await anyio.sleep(_LOOK_EVERY_S)


async def _report_of(directory: RunDirectory) -> None:
    """The command writes its report after the run's last file; somebody's own program may write none."""
    with anyio.move_on_after(_REPORT_S):
        while not directory.report_file.is_file():  # noqa: ASYNC110 - another process writes it
            await anyio.sleep(_LOOK_EVERY_S)


class _Log:
    """The run's event log, read as far as it has been written."""

    def __init__(self, directory: RunDirectory) -> None:
        self._file = directory.events_file
        self._at = 0
        self._results = Results()
        self.created: TaskCreated | None = None

    def read(self) -> None:
        """What has been written since; a line that is not whole yet is left for the next time."""
        if not self._file.is_file():
            return
        with self._file.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            try:
                record = from_json(line, allow_inf_nan=False)
                self._results.take(record)
            except (ValueError, LookupError, TypeError) as error:
                raise RunDirectoryUnreadable(f"{self._file} is damaged; run the scenario again.") from error
            if self.created is None and record["event"] == TaskCreated.__name__:
                self.created = self._results.created

    def rounds(self, after: int) -> Iterator[RoundSummary]:
        """Rounds beyond that one that are over, and whose gas is known: the next has begun, or the task is over."""
        if self.created is None:
            return
        state = self._results.state
        for number in range(after + 1, state.round + 1):
            if state.rounds[number].finalized and (number < state.round or state.ended):
                yield self._results.round(number)


def _began(scenario: Scenario, directory: RunDirectory, created: TaskCreated) -> Began:
    record = directory.chain()
    # every driven devnet begins alike, and its first tasks have one address
    apart = f"/{record.get('started')}" if record.get("own_devnet") else ""
    return Began(
        name=scenario.name,
        key=f"{record['genesis_hash']}/{created.task}{apart}",
        parameters=flat(scenario.model_dump(mode="json", exclude={"name", "description"})),
        facts={
            "task": created.task,
            "specification": cid_text(created.config.specification),
            **{
                key: str(record[key])
                for key in ("chain_id", "factory", "version", "commit", "started")
                if key in record
            },
        },
    )


def _ended(directory: RunDirectory) -> Ended:
    summary = directory.summary()
    card, _ = trained_model(directory)
    scores: dict[str, float] = defaultdict(float)
    for done in summary.rounds:
        for name, score in done.scores.items():
            scores[name] += score
    measured = {
        "final/loss": summary.final.loss,
        "final/accuracy": summary.final.accuracy,
        "gas/task": float(summary.gas.total),
        "tokens/paid": int(summary.tokens.paid) / 1e18,
        "tokens/returned": int(summary.tokens.returned) / 1e18,
        "seconds": summary.timings.total_s,
    }
    kept = (directory.scenario_file, directory.summary_file, directory.events_file, directory.report_file)
    return Ended(
        status=summary.status,
        facts={
            "cid": summary.final.cid,
            "conclusion": summary.conclusion,
        },
        metrics={name: value for name, value in measured.items() if value is not None},
        scores=dict(scores),
        model=directory.model_file.read_bytes(),
        card=card,
        files=tuple(file for file in (*kept, directory.card_file) if file.is_file()),
    )
