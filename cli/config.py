# SPDX-License-Identifier: Apache-2.0
"""``bcfl config``: the settings, and where each was said."""

from __future__ import annotations

import json

import click

__all__ = ("config",)


@click.group
def config() -> None:
    """Settings of flags, environment and the file config.toml."""


@config.command
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def show(as_json: bool) -> None:
    """Print every setting with where it was said."""
    from bcfl.agents.hosting.settings import bcfl_home, origins

    found = origins()
    if as_json:
        click.echo(
            json.dumps({one.name: {"value": one.value, "origin": one.origin} for one in found}, default=str)
        )
        return
    click.echo(f"home: {bcfl_home()}")
    width = max(len(one.name) for one in found)
    for one in found:
        value = "–" if one.value is None else one.value
        click.echo(f"{one.name:{width}}  {value}  ({one.origin})")
