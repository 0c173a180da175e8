# SPDX-License-Identifier: Apache-2.0
"""``bcfl check FILE``: is the scenario right, and what would it run?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import click

from bcfl.cli.scenario_options import scenario_options
from bcfl.contracts.phases import Kind
from bcfl.scenarios.definition.loading import load, resolved
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.planning.plan import planned
from bcfl.scenarios.planning.preflight import check_privacy

__all__ = ("check",)


@click.command
@scenario_options
@click.option("--resolved", "show", is_flag=True, help="Print the scenario with every key written out.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data lie that no package carries.")
@click.option("--no-data", is_flag=True, help="Look at the file alone, not at its data.")
def check(
    file: Path, overrides: tuple[str, ...], seed: int | None, show: bool, data_dir: Path | None, no_data: bool
) -> None:
    """Check the scenario in FILE with its data; nothing is run.

    The data are loaded, every number and class is looked at, and one batch goes through the network and back.
    Not looked at are nodes, stores and how long a round takes.
    """
    scenario = load(file, overrides, seed)
    if show:
        click.echo(resolved(scenario), nl=False)
        return
    task = scenario.task
    who = "members" if scenario.kind is Kind.CONSORTIUM else "trainers"
    if not no_data:
        scenario = _checked(scenario, data_dir)
        task = scenario.task
    click.echo(
        f"{file} is right: '{scenario.name}' trains '{task.network.name}' on '{scenario.data.dataset.name}' for "
        f"{task.rounds} rounds with {len(scenario.trainer_names)} {who} (seed {scenario.seed})."
    )


def _checked(scenario: Scenario, data_dir: Path | None) -> Scenario:
    """The scenario as it would run; what the data say of themselves is printed."""
    check_privacy(scenario)
    plan = anyio.run(partial(planned, scenario, data_dir=data_dir))
    for note in plan.notes:
        click.echo(f"{scenario.data.dataset.name}: {note}")
    for caution in plan.cautions:
        click.echo(f"note: {caution}")
    share = sorted(map(len, plan.population.shares.values()))
    click.echo(
        f"data and network fit: {len(plan.population.train):,} samples to train on, {share[0]:,} to {share[-1]:,} each, "
        f"{len(plan.population.validation):,} to measure on; a model has {len(plan.task.genesis):,} bytes."
    )
    return plan.scenario
