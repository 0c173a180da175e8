# SPDX-License-Identifier: Apache-2.0
"""``bcfl run FILE``: one scenario, watched while it runs, reported when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.cluster import lent, ray_option
from bcfl.cli.loading import loading
from bcfl.cli.scenario_options import scenario_options
from bcfl.scenarios.definition.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcfl.scenarios.running.progress import RunEvent
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
@ray_option("Train, evaluate and score")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines instead of the live view.")
def run(
    file: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    data_dir: Path | None,
    only: str | None,
    ray_address: str | None,
    as_json: bool,
) -> None:
    """Run the scenario in FILE and write its run directory, with a report."""
    scenario = load(file, overrides, seed)
    # a wrong file is answered before the seconds that these imports take
    with loading():
        from bcfl.cli.carrying_out import watch
        from bcfl.scenarios.running.runner import run as run_scenario

    hosted = None if only is None else tuple(dict.fromkeys(only.split(",")))

    async def work(observer: Callable[[RunEvent], None]) -> RunResult:
        async with lent(ray_address) as cluster:
            return await run_scenario(
                scenario, out=out, data_dir=data_dir, only=hosted, observer=observer, cluster=cluster
            )

    watch(work, as_json=as_json)
