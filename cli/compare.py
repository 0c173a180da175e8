# SPDX-License-Identifier: Apache-2.0
"""``bcfl compare RUN RUN…``: what several runs came to, beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.output import written

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ("compare",)


@click.command
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with overlaid curves to this file too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def compare(runs: tuple[Path, ...], page: Path | None, as_json: bool) -> None:
    """Compare the runs in the directories RUNS: what each came to, and in which keys their scenarios differ."""
    from rich.console import Console

    from bcfl.scenarios.directory.run_directory import RunDirectory
    from bcfl.views.comparison.page import render_comparison
    from bcfl.views.comparison.runs import HEADS, ComparedRun, called, differences, facts, rows

    if len(runs) < 2:
        raise click.UsageError("Give the directories of two runs or more.")
    opened = [RunDirectory.open(path) for path in runs]
    found = [
        ComparedRun(directory=one.path, scenario=one.scenario(), summary=one.summary()) for one in opened
    ]
    if page is not None:
        with written(page, "--page"):
            page.write_text(render_comparison(found), encoding="utf-8")
    if as_json:
        told = {
            "runs": facts(found),
            "differences": {key: values for key, *values in differences(found)},
        }
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(HEADS, rows(found)))
    apart = differences(found)
    console.print()
    console.print(_table(("differs in", *called(found)), apart) if apart else "Their scenarios say the same.")
    if page is not None:
        click.echo(f"page: {page}")


def _table(heads: tuple[str, ...], lines: list[tuple[str, ...]]) -> Table:
    from rich.table import Table

    made = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads):
        made.add_column(head, justify="right" if place else "left", overflow="fold", min_width=4)
    for line in lines:
        made.add_row(*line)
    return made
