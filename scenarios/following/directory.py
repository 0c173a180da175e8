# SPDX-License-Identifier: Apache-2.0
"""Follows a run by the files that it writes, while it goes on or afterwards."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import anyio
import anyio.to_thread

from bcfl.contracts.event_codec import event_from_json
from bcfl.contracts.events import TaskCreated
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.trained import trained_model
from bcfl.scenarios.following.story import Began, Ended, Tell, flat
from bcfl.scenarios.outcome.summary import RoundSummary
from bcfl.storage.content_id import cid_text

__all__ = ("follow_directory",)

_LOOK_EVERY_S = 0.5


async def follow_directory(path: Path, tell: Tell) -> None:
    """Tell the run's story; waits for what it has not come to yet, for ever where it was stopped and nobody goes on with it.

    Raises:
        RunDirectoryUnreadable: there is no run in it, or a file is damaged.
    """
    directory = RunDirectory.open(path)
    scenario = directory.scenario()
    while True:
        created = await anyio.to_thread.run_sync(_created, directory)
        if created is not None:
            break
        await anyio.sleep(_LOOK_EVERY_S)
    record = directory.chain()
    # every driven devnet begins alike, and its first tasks have one address
    apart = f"/{record.get('started')}" if record.get("own_devnet") else ""
    began = Began(
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
    await tell(began)
    told = 0
    while True:
        ended = directory.digests_file.is_file()  # before the rounds are looked at: it is the last file
        rounds = await anyio.to_thread.run_sync(_rounds, directory)
        for done in rounds[told:]:
            told += 1
            await tell(done)
        if ended:
            await tell(await anyio.to_thread.run_sync(_ended, directory))
            return
        await anyio.sleep(_LOOK_EVERY_S)


def _created(directory: RunDirectory) -> TaskCreated | None:
    """How the task began; None as long as it has not."""
    if not (directory.chain_file.is_file() and directory.events_file.is_file()):
        return None
    for record in directory.events():
        if record["event"] == TaskCreated.__name__:
            event = event_from_json(record)
            assert isinstance(event, TaskCreated)  # noqa: S101 - for mypy: that is its name
            return event
    return None


def _rounds(directory: RunDirectory) -> list[RoundSummary]:
    return list(directory.rounds()) if directory.rounds_file.is_file() else []


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
