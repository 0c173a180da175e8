# SPDX-License-Identifier: Apache-2.0
"""``bcfl sweep FILE``: a grid of scenarios, resumed where it stopped, in tables and a report, against targets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.cluster import lent, ray_option
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import Cell, chosen, expand
from bcfl.scenarios.sweeping.targets import TargetResult, check, load_targets

if TYPE_CHECKING:
    from bcfl.scenarios.sweeping.sweep import Outcome

__all__ = ("sweep",)

_MISSED = 9
_WIDE = 200


@click.command
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The sweep's directory (default: runs/NAME); also to go on in.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Cells at once (default: one a core).")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where your own data, or copies of public data, are."
)
@click.option(
    "--check", "targets_file", type=click.Path(path_type=Path), help="Compare with a file of targets."
)
@click.option(
    "--cells", "pattern", metavar="REGEX", help="Only cells whose name holds this, and their references."
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many cells.")
@ray_option("Run the cells")
@click.option("--keep-runs", is_flag=True, help="Keep every cell's run directory.")
@click.option("--any-code", is_flag=True, help="Take results that another version of the code made.")
@click.option("--dry-run", is_flag=True, help="List the cells and run none.")
def sweep(
    file: Path,
    out: Path | None,
    jobs: int | None,
    data_dir: Path | None,
    targets_file: Path | None,
    pattern: str | None,
    limit: int | None,
    ray_address: str | None,
    keep_runs: bool,
    any_code: bool,
    dry_run: bool,
) -> None:
    """Run every cell of the grid in FILE; the same command again goes on where it was interrupted.

    Status 9 where a target of --check is missed.
    """
    if keep_runs and ray_address is not None:
        raise click.UsageError(
            "--keep-runs keeps nothing with --ray: run directories lie on the nodes, and are removed there."
        )
    plan = load_sweep(file)
    targets = () if targets_file is None else load_targets(targets_file)
    cells = chosen(expand(plan), pattern=pattern, limit=limit)
    if dry_run:
        _list(cells)
        return
    # a wrong file is answered before the seconds that these imports take
    from bcfl.cli.interruption import run_until_stopped
    from bcfl.scenarios.sweeping.measures import measure
    from bcfl.scenarios.sweeping.sweep import sweep as run_sweep
    from bcfl.scenarios.sweeping.table import write_tables
    from bcfl.views.sweep.progress import open_sweep_view
    from bcfl.views.sweep.report import write_sweep_report

    directory = out if out is not None else Path("runs") / plan.name
    with open_sweep_view(sys.stdout) as view:

        async def work() -> tuple[Outcome, ...]:
            async with lent(ray_address) as cluster:
                return await run_sweep(
                    cells,
                    directory=directory,
                    jobs=jobs,
                    data_dir=data_dir,
                    keep_runs=keep_runs,
                    any_code=any_code,
                    observer=view.on_event,
                    cluster=cluster,
                )

        outcomes = run_until_stopped(work)
    measured = measure(outcomes)
    findings = check(targets, measured)
    write_tables(measured, directory)
    report = write_sweep_report(plan, outcomes, measured, findings, directory)
    failed = sum(outcome.result.status == "failed" for outcome in outcomes)
    if failed:
        click.echo(f"{failed} of {len(outcomes)} cells failed; the report says why.")
    click.echo(f"report: {report}")
    if findings:
        _conclude(findings)


def _list(cells: Sequence[Cell]) -> None:
    for cell in cells:
        click.echo(cell.labels.name)
    click.echo(f"{len(cells):,} cells")


def _conclude(findings: Sequence[TargetResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    from bcfl.views.sweep.tables import targets_table

    shown = targets_table(findings)
    table = Table(title=shown.title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    for place, head in enumerate(shown.heads):
        left = place == 0 or place in shown.text
        table.add_column(head, justify="left" if left else "right", overflow="fold")
    for row in shown.rows:
        table.add_row(*row)
    console = Console(file=sys.stdout, markup=False)
    if not console.is_terminal:
        console.width = _WIDE  # a file has room for every column
    console.print(table)
    if not all(finding.met for finding in findings):
        click.get_current_context().exit(_MISSED)
