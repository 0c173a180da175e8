# SPDX-License-Identifier: Apache-2.0
"""A folder of keystore files, each a key by its name."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bcfl.chain.errors import (
    KeyInUse,
    KeyMissing,
    KeyNameInvalid,
    KeystoreExists,
    KeystoreExposed,
    KeystoreUnreadable,
)
from bcfl.chain.keys import Signer, change_password, create_keystore, import_key, open_key, open_keystore
from bcfl.chain.raw import checksummed
from bcfl.contracts.ids import Address

__all__ = ("Keyring",)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENDING = ".json"


class Keyring:
    """Keys in Web3 Secret Storage files of a folder, which nobody else can read.

    Args:
        folder: of the files; made with the first key.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def names(self) -> tuple[str, ...]:
        """Of all keys, ascending."""
        if not self.folder.is_dir():
            return ()
        found = (path.name.removesuffix(_ENDING) for path in self.folder.glob(f"*{_ENDING}"))
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def file(self, name: str) -> Path:
        """The keystore file of a key that there is.

        Raises:
            KeyMissing: there is none of that name.
            KeystoreExposed: others can read it.
        """
        path = self._path(name)
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except FileNotFoundError:
            known = f"there are {', '.join(self.names)}" if self.names else "there is none yet"
            raise KeyMissing(
                f"There is no key '{name}' in {self.folder} ({known}): make it with 'bcfl keys new {name}'."
            ) from None
        if mode & 0o077:
            raise KeystoreExposed(f"Others can read the keystore {path} (mode {mode:04o}): chmod 600 {path}")
        return path

    def address(self, name: str) -> Address:
        """The account of a key, without its password.

        Raises:
            KeyMissing: there is none of that name.
            KeystoreUnreadable: the file does not say it.
        """
        path = self.file(name)
        try:
            return checksummed(
                "0x" + str(json.loads(path.read_text(encoding="utf-8"))["address"]).removeprefix("0x")
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeystoreUnreadable(f"The keystore {path} does not say whose it is.") from error

    def check_free(self, name: str) -> None:
        """Whether a key may be called so, before anybody is asked for a password.

        Raises:
            KeyNameInvalid: it is no name.
            KeystoreExists: there is one of that name.
        """
        path = self._path(name)
        if path.exists():
            raise KeystoreExists(f"There is a key '{name}' already ({path}): choose another name.")

    async def new(self, name: str, password: str) -> Signer:
        """Make a key; raises ``KeystoreExists`` where there is one of that name."""
        return await create_keystore(self._made(name), password)

    async def take_key(self, name: str, key: bytes, password: str) -> Signer:
        """Keep a key that somebody has, 32 bytes; raises ``KeystoreExists`` or ``ValueError``."""
        return await import_key(self._made(name), key, password)

    async def take_keystore(self, name: str, file: Path, password: str) -> Signer:
        """Keep the key of another keystore file, under the same password; raises as ``open`` and ``KeystoreExists``."""
        return await import_key(self._made(name), await open_key(file, password), password)

    @contextmanager
    def held(self, name: str, chain: int | None) -> Iterator[None]:
        """The key is used on that chain by nobody else on this machine for the length of the block: two programs would sign with the
        same nonces.

        Raises:
            KeyInUse: another program uses it.
        """
        path = self.folder / f".{name}-{chain}.lock"
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise KeyInUse(
                    f"Another program uses the key '{name}' on this chain (process {file.read().strip() or 'unknown'}): stop it first, or act with "
                    f"another key."
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    async def open(self, name: str, password: str) -> Signer:
        """The key; raises ``KeyMissing``, ``KeystoreExposed``, ``KeystoreUnreadable`` or ``WrongPassword``."""
        return await open_keystore(self.file(name), password)

    async def change_password(self, name: str, old: str, new: str) -> None:
        """Have the key open with another password; raises as ``open``."""
        await change_password(self.file(name), old, new)

    def _made(self, name: str) -> Path:
        path = self._path(name)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise KeyNameInvalid(
                f"'{name}' is no name for a key: write up to 64 letters, digits and '.', '_', '-', a letter or digit first."
            )
        return self.folder / f"{name}{_ENDING}"
