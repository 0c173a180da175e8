# SPDX-License-Identifier: Apache-2.0
"""``bcfl audit DIR``: are the scores and digests of a run what its chain and its store say?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.scenarios.run_directory import RunDirectory

if TYPE_CHECKING:
    from bcfl.agents.auditor import AuditResult

__all__ = ("audit",)

_DIFFERENCES = 8


@click.command
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the run's data are, as for 'bcfl run'."
)
def audit(directory: Path, data_dir: Path | None) -> None:
    """Replay the scores and aggregates of the run in DIRECTORY; status 8 where anything differs."""
    path = RunDirectory.open(directory).path
    from bcfl.cli.interruption import run_until_stopped
    from bcfl.scenarios import auditing

    async def work() -> AuditResult:
        return await auditing.audit(path, data_dir=data_dir)

    result = run_until_stopped(work)
    for finding in result.findings:
        click.echo(str(finding))
    if result.findings:
        number = len(result.findings)
        click.echo(f"{number} difference{'s' if number != 1 else ''}: this run is not what it says.")
        click.get_current_context().exit(_DIFFERENCES)
    click.echo(f"{result.checked:,} scores and digests checked; all as the chain and the store say.")
