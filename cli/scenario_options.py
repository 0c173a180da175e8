# SPDX-License-Identifier: Apache-2.0
"""The argument and options of every command that reads a scenario file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ("scenario_options",)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def scenario_options(command: _Command) -> _Command:
    """FILE, ``--set`` (as ``overrides``) and ``--seed``."""
    for decorate in (
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY.KEY=VALUE",
            help="Replace a value of the file; may be given again.",
        ),
        click.option("--seed", type=int, help="Replace the file's seed."),
        click.argument("file", type=click.Path(path_type=Path)),
    ):
        command = decorate(command)
    return command
