# SPDX-License-Identifier: Apache-2.0
"""``bcfl replay DIR``: a run's tables from its event log alone, or one hash over everything but wall times."""

from __future__ import annotations

from pathlib import Path

import click

from bcfl.scenarios.directory.run_directory import RunDirectory

__all__ = ("replay",)


_WHERE = {
    "completed": "after its task had completed on the chain, before it wrote its tables",
    "cancelled": "after its task was cancelled on the chain, before it wrote its tables",
    "interrupted": "before its task ended, and how that goes on is on the chain",
}


@click.command
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--digest", is_flag=True, help="Print one hash over everything but wall times.")
def replay(directory: Path, digest: bool) -> None:
    """Rebuild the tables of the run in DIRECTORY from its events."""
    opened = RunDirectory.open(directory)
    from rich.console import Console

    from bcfl.scenarios.directory.replay import replayed, run_digest
    from bcfl.views.run.final_table import final_table

    if digest:
        click.echo(run_digest(opened))
    else:
        summary = replayed(opened)
        Console().print(final_table(summary))
        if not opened.summary_file.is_file():
            click.echo(
                f"The run was stopped {_WHERE[summary.status]}; 'bcfl resume {directory}' goes on with it."
            )
