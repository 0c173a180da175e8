# SPDX-License-Identifier: Apache-2.0
"""``bcfl data check FILE --task ADDRESS``: is this data fit for that task, before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import network_option, store_option, surroundings
from bcfl.cli.task_reading import read_state

if TYPE_CHECKING:
    from bcfl.contracts.specification import Specification

__all__ = ("check",)


@click.command
@click.argument("source", metavar="FILE|NAME")
@click.option("--task", required=True, metavar="ADDRESS", help="Of a task on the network.")
@click.option(
    "--set", "parameters", multiple=True, metavar="KEY=VALUE", help="Of the data, such as target=diagnosis."
)
@click.option(
    "--part",
    type=click.Choice(["all", "train", "test"]),
    help="Which part of it (default: all of a table; else train).",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data lie that no package carries.")
@network_option
@store_option
def check(
    source: str,
    task: str,
    parameters: tuple[str, ...],
    part: str | None,
    data_dir: Path | None,
    network: str | None,
    store: str | None,
) -> None:
    """Look whether your own data fit a task: shape, classes, how many there are, one batch through its network."""
    here = surroundings(network=network, store=store, data_dir=data_dir)
    from bcfl.cli.agent_data import own_samples

    samples = own_samples(source, parameters, part or "train", chosen=part, data_dir=here.settings.data_dir)
    state = read_state(here, task)
    kind, location = here.store()

    async def read() -> Specification:
        from bcfl.agents.common.retrieval import Retrieval
        from bcfl.storage.opening import open_store

        async with open_store(kind, location) as contents:
            return await Retrieval(contents).specification(state.config.specification)

    specification = run_until_stopped(read)
    from bcfl.agents.common.entries import network_of
    from bcfl.agents.hosting.own_samples import check_samples
    from bcfl.models.data.dataset import shape_words

    check_samples(
        samples,
        specification.network.name,
        network_of(specification),
        most_bytes=state.config.max_update_size,
    )
    click.echo(
        f"fit for '{specification.title}': {len(samples):,} samples, each {shape_words(samples.inputs.shape[1:])}, "
        f"{samples.classes} classes, for the network {specification.network.name}"
    )
