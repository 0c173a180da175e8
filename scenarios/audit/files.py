# SPDX-License-Identifier: Apache-2.0
"""The files that a run makes of its log, beside the log: ``summary.json``, ``rounds.jsonl``, ``final.safetensors``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from bcfl.agents.audit.finding import Finding
from bcfl.agents.common.retrieval import Retrieval
from bcfl.contracts.state import TaskState
from bcfl.scenarios.audit.differences import differences
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.event_log import read_lines
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import SummaryUnreadable
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.outcome.summary import RoundSummary, Timings
from bcfl.storage.content_id import cid_text, content_id
from bcfl.storage.errors import FetchError

__all__ = ("model_findings", "round_findings", "summary_findings")

_NOT_REPEATABLE = {"timings"}


def summary_findings(directory: RunDirectory, scenario: Scenario, results: Results) -> Iterator[Finding]:
    """Where ``summary.json`` says something else than the event log."""
    file = directory.summary_file.name
    try:
        said = directory.summary()
    except SummaryUnreadable:
        message = "it is missing or damaged: the run did not end, or somebody has altered it"
        yield Finding(subject=file, message=message, where=file)
        return
    found = results.summary(scenario=scenario.name, seed=scenario.seed, timings=Timings(total_s=0.0))
    for where, a, b in differences(
        said.model_dump(mode="json", exclude=_NOT_REPEATABLE),
        found.model_dump(mode="json", exclude=_NOT_REPEATABLE),
    ):
        yield Finding(subject=f"{file}, {where}", message=f"it says {a}, the event log says {b}", where=file)


def round_findings(directory: RunDirectory, results: Results) -> Iterator[Finding]:
    """Where ``rounds.jsonl`` says something else than the event log, by line."""
    file = directory.rounds_file.name
    if not directory.rounds_file.is_file():
        yield Finding(subject=file, message="it is missing", where=file)
        return
    due = results.rounds()
    number = 0
    for number, text in read_lines(directory.rounds_file):
        where = f"{file}, line {number}"
        if number > len(due):
            yield Finding(subject=file, message=f"the event log has {len(due)} settled rounds", where=where)
            return
        found = due[number - 1]
        try:
            said = RoundSummary.model_validate_json(text)
        except ValidationError:
            yield Finding(round=found.round, subject=file, message="it is not a round", where=where)
            continue
        for key, a, b in differences(said.model_dump(mode="json"), found.model_dump(mode="json")):
            yield Finding(
                round=found.round, subject=key, message=f"it says {a}, the event log says {b}", where=where
            )
    for missing in due[number:]:
        yield Finding(
            round=missing.round, subject=file, message="it has no line", where=f"{file}, line {missing.round}"
        )


async def model_findings(
    directory: RunDirectory, state: TaskState, retrieval: Retrieval
) -> tuple[Finding, ...]:
    """Whether ``final.safetensors`` is the last model that the chain names; no file is right where nobody has that."""
    path = directory.model_file
    wanted = cid_text(state.model)
    if path.is_file():
        found = content_id(path.read_bytes())
        if found == state.model:
            return ()
        message = f"its content is {cid_text(found)}, the last model on chain is {wanted}"
    else:
        try:
            await retrieval.content(state.model, max_bytes=state.config.max_update_size)
        except FetchError:
            return ()
        message = f"it is missing; the store has {wanted}"
    return (Finding(subject="final model", message=message, where=path.name),)
