# SPDX-License-Identifier: Apache-2.0
"""``bcfl replay DIR``: a run's tables from its event log alone, or one hash over everything but wall times."""

from __future__ import annotations

from pathlib import Path

import click

from bcfl.scenarios.directory.run_directory import RunDirectory

__all__ = ("replay",)


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
        Console().print(final_table(replayed(opened)))
