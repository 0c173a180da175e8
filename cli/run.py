# SPDX-License-Identifier: Apache-2.0
"""``bcfl run FILE``: one scenario, watched while it runs, reported when it is over."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.scenario_options import scenario_options
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.views.run.live import open_view

if TYPE_CHECKING:
    from bcfl.scenarios.running.runner import RunResult

__all__ = ("run",)


@click.command
@scenario_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="The run's directory (default: runs/NAME-DATE-TIME)."
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where your own data, or copies of public data, are."
)
@click.option(
    "--only",
    metavar="NAME,NAME",
    help="Host only these participants, 'publisher' and 'keeper' for example; 'bcfl agent' runs the others.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines instead of the live view.")
def run(
    file: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    data_dir: Path | None,
    only: str | None,
    as_json: bool,
) -> None:
    """Run the scenario in FILE and write its run directory, with a report."""
    scenario = load(file, overrides, seed)
    # a wrong file is answered before the seconds that these imports take
    from bcfl.cli.interruption import run_until_stopped
    from bcfl.scenarios.directory.digests import write_digests
    from bcfl.scenarios.running.runner import run as run_scenario
    from bcfl.views.run.report import write_report

    hosted = None if only is None else tuple(dict.fromkeys(only.split(",")))
    with open_view(sys.stdout, as_json=as_json) as view:

        async def work() -> RunResult:
            return await run_scenario(
                scenario, out=out, data_dir=data_dir, only=hosted, observer=view.on_event
            )

        result = run_until_stopped(work)
    directory = RunDirectory.open(result.directory)
    report = write_report(directory)
    write_digests(directory)
    click.echo(f"report: {report}", err=as_json)
