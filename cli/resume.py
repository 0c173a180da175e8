# SPDX-License-Identifier: Apache-2.0
"""``bcfl resume DIR``: a run that was stopped or killed, carried on to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.cluster import lent, ray_option
from bcfl.cli.loading import loading
from bcfl.scenarios.directory.run_directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcfl.scenarios.running.progress import RunEvent
    from bcfl.scenarios.running.runner import RunResult

__all__ = ("resume",)


@click.command
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--url", help="The node's address (default: the one that the run's chain.json shows).")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the run's data are, as for 'bcfl run'."
)
@ray_option("Train, evaluate and score")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines instead of the live view.")
def resume(
    directory: Path, url: str | None, data_dir: Path | None, ray_address: str | None, as_json: bool
) -> None:
    """Go on with the run in DIRECTORY, which was stopped or killed, and write its report.

    Of a run in several processes it is the part of the process that set it up; 'bcfl agent' goes on with the others.
    """
    RunDirectory.open(directory)
    with loading():
        from bcfl.cli.carrying_out import watch
        from bcfl.scenarios.running.resumption import resume as resume_run

    async def work(observer: Callable[[RunEvent], None]) -> RunResult:
        async with lent(ray_address) as cluster:
            return await resume_run(directory, url=url, data_dir=data_dir, observer=observer, cluster=cluster)

    watch(work, as_json=as_json)
