# SPDX-License-Identifier: Apache-2.0
"""``bcfl audit DIR``: is a run what its event log, its store and, with ``--url``, its chain say?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.log import public_url
from bcfl.scenarios.directory.run_directory import RunDirectory

if TYPE_CHECKING:
    from bcfl.agents.audit.finding import AuditResult

__all__ = ("audit",)

_DIFFERENCES = 8


@click.command
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the run's data are, as for 'bcfl run'."
)
@click.option("--url", help="A node's ws:// URL: the event log is compared with its chain too.")
def audit(directory: Path, data_dir: Path | None, url: str | None) -> None:
    """Check every file of the run in DIRECTORY and compute its scores and models again; status 8 where anything differs."""
    path = RunDirectory.open(directory).path
    from bcfl.cli.interruption import run_until_stopped
    from bcfl.scenarios.audit import audit as auditing

    async def work() -> AuditResult:
        return await auditing.audit(path, data_dir=data_dir, url=url)

    result = run_until_stopped(work)
    against = "the event log itself and the store"
    against += ", not against a chain (give --url)" if url is None else f" and the chain at {public_url(url)}"
    for finding in result.findings:
        click.echo(str(finding))
    if result.findings:
        number = len(result.findings)
        click.echo(
            f"{number} difference{'s' if number != 1 else ''}: this run is not what it says "
            f"(checked against {against})."
        )
        click.get_current_context().exit(_DIFFERENCES)
    click.echo(
        f"{result.checked:,} events, scores and digests checked against {against}; all as they say. "
        "log.jsonl, agents/ and wall times were not checked."
    )
