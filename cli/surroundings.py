# SPDX-License-Identifier: Apache-2.0
"""What commands outside a scenario share: settings, the network with its node, the store, and a key that was opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
import click

from bcfl.cli.keys import keyring
from bcfl.cli.passwords import password_of, password_option

if TYPE_CHECKING:
    from bcfl.agents.hosting.settings import Settings
    from bcfl.chain.deployer import Setup
    from bcfl.chain.keys import Signer
    from bcfl.chain.node import Node
    from bcfl.chain.wallet.networks import Network, Networks
    from bcfl.contracts.ids import Address
    from bcfl.storage.opening import StoreKind

__all__ = (
    "Surroundings",
    "address_of",
    "key_options",
    "network_option",
    "networks",
    "store_option",
    "store_place",
    "surroundings",
)

_PATIENCE_S = 600.0

F = TypeVar("F", bound=Callable[..., Any])

network_option = click.option(
    "--network", help="A network's name (bcfl networks list; default: the setting)."
)
store_option = click.option(
    "--store",
    metavar="KIND:PLACE",
    help="Where models are: kubo:URL or directory:PATH (default: the network's).",
)


def key_options(function: F) -> F:
    """``--key`` and ``--password-file``."""
    option = click.option("--key", help="A key's name (bcfl keys list; default: the setting).")
    return option(password_option(function))


def networks() -> Networks:
    """The person's networks."""
    from bcfl.agents.hosting.settings import bcfl_home
    from bcfl.chain.wallet.networks import Networks

    return Networks(bcfl_home() / "networks.toml")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where a command acts.

    Attributes:
        settings: of the person.
        name: of the network.
        network: itself.
    """

    settings: Settings
    name: str
    network: Network

    @property
    def factory(self) -> Address:
        """Whose tasks; raises ``NetworkFileInvalid``."""
        return self.network.address(self.name, "factory")

    @asynccontextmanager
    async def node(self) -> AsyncIterator[Node]:
        """The network's node; raises ``ChainError``."""
        from bcfl.chain.node import open_node

        async with open_node(self.network.rpc, headers=self.network.request_headers()) as node:
            self.network.check(self.name, node)
            yield node

    def store(self) -> tuple[StoreKind, str | None]:
        """Where models are."""
        place = self.settings.store or self.network.store
        if place is None:
            raise click.UsageError(
                f"Say where models are: --store kubo:http://127.0.0.1:5001, or once for all: bcfl networks add {self.name} "
                f"--store kubo:http://127.0.0.1:5001."
            )
        return store_place(place)

    def key_name(self) -> str:
        """The name of the key that acts."""
        if self.settings.key is None:
            raise click.UsageError("Say with which key: --key NAME ('bcfl keys list' shows them).")
        return self.settings.key

    def password(self) -> str:
        """Of the key that acts, which is there; asked for before anything else."""
        name = self.key_name()
        keyring().file(name)
        return password_of(name, self.settings.password_file)

    @asynccontextmanager
    async def acting(self, password: str) -> AsyncIterator[tuple[Signer, Setup]]:
        """The key that acts, and how to send its transactions; raises ``ChainError``."""
        async with self.signer(password) as signer, self.node() as node, self.setup(node) as setup:
            yield signer, setup

    @asynccontextmanager
    async def setup(self, node: Node) -> AsyncIterator[Setup]:
        """How a person's transactions are sent: within the network's highest fee, and not waited for without end."""
        from bcfl.chain.deployer import opened_setup

        highest = int(self.network.max_fee_gwei * 10**9)
        async with opened_setup(
            node, driven=False, confirmations=0, max_fee=highest, patience_s=_PATIENCE_S
        ) as setup:
            yield setup

    @asynccontextmanager
    async def signer(self, password: str, unlocking: Future[Signer] | None = None) -> AsyncIterator[Signer]:
        """The key that acts, with which nobody else on this machine acts meanwhile; raises ``WrongPassword`` or ``KeyInUse``."""
        with keyring().held(self.key_name(), self.network.chain_id):
            if unlocking is None:
                yield await keyring().open(self.key_name(), password)
            else:
                yield await anyio.to_thread.run_sync(unlocking.result)

    def unlocking(self, password: str) -> Future[Signer]:
        """Opens the key in a thread: a password takes most of a second, in which data can be read and modules loaded."""
        with_password = partial(keyring().open, self.key_name(), password)
        executor = ThreadPoolExecutor(1, thread_name_prefix="unlocking")
        future: Future[Signer] = executor.submit(anyio.run, with_password)
        executor.shutdown(wait=False)
        return future


def surroundings(**given: Any) -> Surroundings:  # noqa: ANN401 - settings
    """Of the settings with the flags that were given."""
    from bcfl.agents.hosting.settings import settings

    chosen = settings(given)
    if chosen.network is None:
        raise click.UsageError("Say on which network: --network NAME ('bcfl networks list' shows them).")
    return Surroundings(settings=chosen, name=chosen.network, network=networks().get(chosen.network))


def store_place(text: str) -> tuple[StoreKind, str | None]:
    """``kubo:URL`` or ``directory:PATH`` as a kind and a location."""
    kind, colon, place = text.partition(":")
    if kind == "kubo":
        return "kubo", place or None
    if kind == "directory" and colon and place:
        return "directory", str(Path(place).expanduser())
    raise click.UsageError(f"'{text}' names no store: write kubo:http://HOST:PORT or directory:PATH.")


def address_of(text: str, option: str) -> Address:
    """An address, or that of a key of one's own by its name."""
    from bcfl.chain.raw import parse_address

    if text.startswith("0x"):
        try:
            return parse_address(text)
        except ValueError as error:
            raise click.UsageError(f"{option} {text} {error}.") from None
    return keyring().address(text)
