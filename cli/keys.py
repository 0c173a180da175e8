# SPDX-License-Identifier: Apache-2.0
"""``bcfl keys``: make, import, list and show keys, and change their passwords."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.passwords import password_of, password_option

if TYPE_CHECKING:
    from bcfl.chain.wallet.keyring import Keyring

__all__ = ("keyring", "keys")


def keyring() -> Keyring:
    """The person's keys."""
    from bcfl.agents.hosting.settings import bcfl_home
    from bcfl.chain.wallet.keyring import Keyring

    return Keyring(bcfl_home() / "keys")


@click.group
def keys() -> None:
    """Keys in encrypted files (Web3 Secret Storage, version 3) that nobody else can read."""


@keys.command
@click.argument("name")
@password_option
def new(name: str, password_file: Path | None) -> None:
    """Make a key called NAME."""
    ring = keyring()
    ring.check_free(name)
    password = password_of(name, password_file, new=True)
    signer = run_until_stopped(lambda: ring.new(name, password))
    click.echo(f"{name}  {signer.address}  {ring.file(name)}")


@keys.command("import")
@click.argument("name")
@click.option(
    "--keystore",
    type=click.Path(path_type=Path),
    help="A keystore file, of geth or a wallet; its password stays the same.",
)
@click.option(
    "--raw-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A file with the bare key in hexadecimal; '-' reads standard input.",
)
@password_option
def import_key(name: str, keystore: Path | None, raw_file: Path | None, password_file: Path | None) -> None:
    """Keep a key that you have as NAME."""
    if (keystore is None) == (raw_file is None):
        raise click.UsageError(
            "Give the key by --keystore FILE or by --raw-file FILE, one of the two; never on the command line."
        )
    if (
        raw_file is not None
        and str(raw_file) == "-"
        and password_file is not None
        and str(password_file) == "-"
    ):
        raise click.UsageError(
            "Standard input holds the key or the password, not both: give one of them in a file."
        )
    ring = keyring()
    ring.check_free(name)
    if raw_file is not None:
        key = _raw(raw_file)
        password = password_of(name, password_file, new=True)
        signer = run_until_stopped(lambda: ring.take_key(name, key, password))
    else:
        assert keystore is not None  # noqa: S101 - one of the two was given
        password = password_of(name, password_file)
        signer = run_until_stopped(lambda: ring.take_keystore(name, keystore, password))
    click.echo(f"{name}  {signer.address}  {ring.file(name)}")


@keys.command("list")
def list_keys() -> None:
    """Print every key's name and address."""
    ring = keyring()
    for name in ring.names:
        click.echo(f"{name}  {ring.address(name)}")
    if not ring.names:
        click.echo(f"There is no key in {ring.folder}: make one with 'bcfl keys new NAME'.", err=True)


@keys.command
@click.argument("name")
def show(name: str) -> None:
    """Print the address of NAME."""
    click.echo(keyring().address(name))


@keys.command("change-password")
@click.argument("name")
@password_option
@click.option(
    "--new-password-file",
    type=click.Path(path_type=Path),
    help="The file with the new password (default: BCFL_NEW_PASSWORD, else it is asked for).",
)
def change_password(name: str, password_file: Path | None, new_password_file: Path | None) -> None:
    """Have NAME open with another password."""
    ring = keyring()
    ring.file(name)
    old = password_of(name, password_file)
    new = password_of(name, new_password_file, new=True, variable="BCFL_NEW_PASSWORD")
    run_until_stopped(lambda: ring.change_password(name, old, new))
    click.echo(f"{name}  {ring.address(name)}  has another password")


def _raw(file: Path) -> bytes:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"The key file {file} cannot be read: {error}.") from None
    digits = text.strip().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise click.UsageError(
            "A bare key is 64 hexadecimal digits, 32 bytes."
        )  # what was given is not repeated here
    return bytes.fromhex(digits)
