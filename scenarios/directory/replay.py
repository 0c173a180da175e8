# SPDX-License-Identifier: Apache-2.0
"""A finished run again: its tables from the event log alone, and one hash over everything but wall times."""

from __future__ import annotations

import hashlib
import json

from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import results_of
from bcfl.scenarios.outcome.summary import Summary, Timings

__all__ = ("replayed", "run_digest")

# What may differ between two runs of one file and seed that are to be the same run.
_NOT_THE_RUN = {"compute"}


def replayed(directory: RunDirectory) -> Summary:
    """The summary folded from ``events.jsonl``; its timings are zero.

    Raises:
        RunDirectoryUnreadable: the log is missing, damaged or ends too early.
    """
    scenario = directory.scenario()
    results = results_of(directory.events())
    return results.summary(scenario=scenario.name, seed=scenario.seed, timings=Timings(total_s=0.0))


def run_digest(directory: RunDirectory) -> str:
    """sha256, hexadecimal, over the scenario (but how it is computed), every event and the tables.

    Raises:
        RunDirectoryUnreadable: as ``replayed``.
    """
    digest = hashlib.sha256()
    for value in (
        directory.scenario().model_dump(mode="json", exclude=_NOT_THE_RUN),
        *directory.events(),
        replayed(directory).model_dump(mode="json", exclude={"timings"}),
    ):
        digest.update(json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()
