# SPDX-License-Identifier: Apache-2.0
"""``bcfl catalog``: every named entry with its source, parameters and defaults."""

from __future__ import annotations

import json
from typing import Any

import click

from bcfl import registry

__all__ = ("catalog",)


@click.command
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list.")
def catalog(as_json: bool) -> None:
    """List every network, dataset, partition, score, aggregator, …, with their parameters."""
    entries = registry.entries()
    if as_json:
        click.echo(
            json.dumps([_record(entry) for entry in entries], indent=2, ensure_ascii=False, default=str)
        )
        return
    for kind in registry.kinds():
        click.secho(kind, bold=True)
        for entry in registry.entries(kind):
            source = f"  [{entry.source}]" if entry.source else ""
            click.echo(f"  {entry.name}{source}")
            if entry.summary:
                click.echo(f"      {entry.summary}")
            for parameter in entry.parameters:
                default = "required" if parameter.required else f"default {_text(parameter.default)}"
                click.echo(f"      {parameter.name}: {parameter.type}, {default}")
        click.echo()


def _record(entry: registry.Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "summary": entry.summary,
        "source": entry.source,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type,
                "required": parameter.required,
                "default": parameter.default,
            }
            for parameter in entry.parameters
        ],
    }


def _text(value: object) -> str:
    return json.dumps(value, default=str)
