# SPDX-License-Identifier: Apache-2.0
"""``bcfl new NAME``: a commented scenario to start from."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import click

from bcfl.scenarios.definition.schema import NAME_PATTERN
from bcfl.scenarios.definition.yaml_text import dump
from bcfl.scenarios.errors import ScenarioExists

__all__ = ("new",)


@click.command
@click.argument("name")
def new(name: str) -> None:
    """Write NAME.yaml into the current directory: every key with what it does and its default."""
    name = name.removesuffix(".yaml")
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise click.BadParameter(
            "write a letter and then at most 31 letters, digits, '-' or '_'", param_hint="NAME"
        )
    template = resources.files("bcfl.scenarios").joinpath("template.yaml").read_text(encoding="utf-8")
    # dump quotes a name that YAML would read as something else, such as null
    text = template.replace("name: template\n", dump({"name": name}), 1)
    target = Path(f"{name}.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ScenarioExists(f"{target} exists already; choose another name or remove it.") from None
    except OSError as error:
        raise ScenarioExists(
            f"{target} cannot be written ({error.strerror}); go to another directory."
        ) from error
    click.echo(f"{target} written; 'bcfl run {target}' runs it.")
