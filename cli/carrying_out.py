# SPDX-License-Identifier: Apache-2.0
"""What ``bcfl run`` and ``bcfl resume`` have in common: a run is watched, reported when it is over, and can be gone on with."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.scenarios.directory.digests import write_digests
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.running.progress import Preparing, RunEvent
from bcfl.scenarios.running.runner import RunResult
from bcfl.views.run.live import open_view
from bcfl.views.run.report import write_report

__all__ = ("watch",)


def watch(work: Callable[[Callable[[RunEvent], None]], Awaitable[RunResult]], *, as_json: bool) -> None:
    """Carry out a run on a terminal, or as JSON lines, and write its report.

    Args:
        work: the run, given whom it tells of its progress.
        as_json: write JSON lines.
    """
    places: list[Path] = []
    with open_view(sys.stdout, as_json=as_json) as view:

        def observe(event: RunEvent) -> None:
            if isinstance(event, Preparing) and event.directory is not None:
                places.append(event.directory)
            view.on_event(event)

        result = run_until_stopped(partial(work, observe), last_words=lambda: _last_words(places))
    directory = RunDirectory.open(result.directory)
    report = write_report(directory)
    write_digests(directory)
    click.echo(f"report: {report}", err=as_json)


def _last_words(places: list[Path]) -> str:
    if not places:
        return "stopped"
    return f"stopped; 'bcfl resume {places[-1]}' goes on with this run"
