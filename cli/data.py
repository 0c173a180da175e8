# SPDX-License-Identifier: Apache-2.0
"""``bcfl data fetch|list|show|check``: the datasets that scenarios name, and one's own."""

from __future__ import annotations

import click

from bcfl.cli.data_check import check
from bcfl.cli.data_show import show

__all__ = ("data",)


@click.group
def data() -> None:
    """Fetch, list and show datasets; look whether your own fit a task."""


data.add_command(show)
data.add_command(check)


@data.command(name="list")
def list_datasets() -> None:
    """List every dataset, and whether it is here."""
    from bcfl.models.data.cache import cache_dir
    from bcfl.models.data.catalog import available

    datasets = available()
    width = max((len(dataset.name) for dataset in datasets), default=0)
    for dataset in datasets:
        state = {None: "", True: " (here)", False: f" (not here: 'bcfl data fetch {dataset.name}')"}[
            dataset.cached
        ]
        click.echo(f"{dataset.name:{width}}  {dataset.summary}{state}")
    click.echo(f"cache: {cache_dir()}")


@data.command
@click.argument("name")
def fetch(name: str) -> None:
    """Download dataset NAME into the cache and check it."""
    from bcfl.models.data.catalog import fetch as fetch_dataset

    dataset = fetch_dataset(name)
    click.echo(
        f"{dataset.name} is here: {len(dataset.train):,} samples to train, {len(dataset.test):,} to test "
        f"({dataset.source}; licence: {dataset.licence})."
    )
