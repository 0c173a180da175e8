# SPDX-License-Identifier: Apache-2.0
"""Where a key's password comes from: a file, standard input, the environment, or the person at the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

__all__ = ("password_of", "password_option")

password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="The file with the key's password; '-' reads standard input (default: BCFL_PASSWORD, else it is asked for).",
)


def password_of(name: str, file: Path | None, *, new: bool = False, variable: str = "BCFL_PASSWORD") -> str:
    """The password of a key; never of the command line, where everybody on the machine could read it.

    Args:
        name: of the key, for the question.
        file: that holds it; ``-`` is standard input.
        new: it is being chosen, so it is asked for twice and must not be empty.
        variable: of the environment.

    Raises:
        click.UsageError: there is none.
    """
    if file is not None:
        found = sys.stdin.read() if str(file) == "-" else _read(file)
        found = found.rstrip("\r\n")
    elif variable in os.environ:
        found = os.environ[variable]
    elif sys.stdin.isatty():
        found = click.prompt(
            f"Password of '{name}'",
            hide_input=True,
            confirmation_prompt="Once more" if new else False,
            err=True,
        )
    else:
        raise click.UsageError(
            f"The key '{name}' needs its password: give --password-file FILE ('-' for standard input), or set {variable}."
        )
    if new and not found:
        raise click.UsageError("An empty password protects nothing: choose one.")
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"The password file {file} cannot be read: {error}.") from None
