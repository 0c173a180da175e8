# SPDX-License-Identifier: Apache-2.0
"""``bcfl check FILE``: is the scenario right, and what would it run?"""

from __future__ import annotations

from pathlib import Path

import click

from bcfl.cli.scenario_options import scenario_options
from bcfl.contracts.phases import Kind
from bcfl.scenarios.definition.loading import load, resolved

__all__ = ("check",)


@click.command
@scenario_options
@click.option("--resolved", "show", is_flag=True, help="Print the scenario with every key written out.")
def check(file: Path, overrides: tuple[str, ...], seed: int | None, show: bool) -> None:
    """Check the scenario in FILE; nothing is run."""
    scenario = load(file, overrides, seed)
    if show:
        click.echo(resolved(scenario), nl=False)
        return
    task = scenario.task
    who = "members" if scenario.kind is Kind.CONSORTIUM else "trainers"
    click.echo(
        f"{file} is right: '{scenario.name}' trains '{task.network.name}' on '{scenario.data.dataset.name}' for "
        f"{task.rounds} rounds with {len(scenario.trainer_names)} {who} (seed {scenario.seed})."
    )
