# SPDX-License-Identifier: Apache-2.0
"""``bcfl agent run DIR NAME``: participants of a run that ``bcfl run --only`` has set up, in a process of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bcfl.scenarios.definition.tokens import CREDIT_UNIT, format_tokens
from bcfl.scenarios.directory.run_directory import RunDirectory

__all__ = ("run",)


@click.command("run")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--url", help="The node's address (default: the one that the run's chain.json shows).")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the run's data are, as for 'bcfl run'."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines.")
def run(
    directory: Path, names: tuple[str, ...], url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Act for NAME... in the run in DIRECTORY until the task has ended and they are paid.

    A process that was stopped or killed goes on where it was when the same command starts it again.
    """
    path = RunDirectory.open(directory).path
    from bcfl.cli.interruption import run_until_stopped
    from bcfl.scenarios.running.participant import take_part
    from bcfl.views.run.lines import LineView

    with LineView(sys.stdout, as_json=as_json) as view:

        async def work() -> dict[str, int]:
            return await take_part(path, names, url=url, data_dir=data_dir, observer=view.on_event)

        paid = run_until_stopped(work)
    for name, amount in paid.items():
        click.echo(f"{name} was paid {format_tokens(amount * CREDIT_UNIT)} tokens", err=as_json)
