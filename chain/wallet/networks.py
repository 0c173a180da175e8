# SPDX-License-Identifier: Apache-2.0
"""Networks by name, in one TOML file: where a chain is asked, what stands on it, and what it may cost."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pydantic
import tomlkit
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bcfl.chain.errors import ChainIdentityChanged, HeaderUnset, NetworkFileInvalid, NetworkUnknown
from bcfl.chain.node import Node
from bcfl.chain.raw import parse_address
from bcfl.contracts.ids import Address, BlockHash
from bcfl.urls import web_socket_url

__all__ = ("Network", "Networks")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


_Address = Annotated[str, AfterValidator(parse_address)]


class Network(BaseModel):
    """One network.

    Attributes:
        rpc: WebSocket address of a node.
        chain_id: of the chain, once it was asked.
        genesis: the hash of its block 0, since devnets share their ids.
        factory: that tasks are made by.
        token: that rewards are paid in where nothing else is said.
        from_block: the first block that can hold a task of the factory.
        confirmations: depth at which a block is final.
        store: where models are: ``kubo:URL`` or ``directory:PATH``.
        max_fee_gwei: the most that a transaction may offer, in gwei a gas.
        headers: that the node's provider asks for; ``$NAME`` stands for what the environment says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rpc: Annotated[str, AfterValidator(web_socket_url)]
    chain_id: int | None = None
    genesis: str | None = None
    factory: _Address | None = None
    token: _Address | None = None
    from_block: Annotated[int, Field(ge=0)] = 0
    confirmations: Annotated[int, Field(ge=0, le=255)] = 2
    store: str | None = None
    max_fee_gwei: Annotated[float, Field(gt=0)] = 500.0
    headers: dict[str, str] = {}

    def identity(self) -> tuple[int, BlockHash] | None:
        """Which chain it was when it was first asked."""
        return (
            None
            if self.chain_id is None or self.genesis is None
            else (self.chain_id, BlockHash(self.genesis))
        )

    def check(self, name: str, node: Node) -> None:
        """Whether the node that answers is on that chain.

        Raises:
            ChainIdentityChanged: it is on another.
        """
        known, found = self.identity(), (node.chain_id, node.genesis_hash)
        if known is not None and known != found:
            raise ChainIdentityChanged(
                f"'{name}' is chain {known[0]} with genesis {known[1]}, and the node at {node.url} serves chain {found[0]} with "
                f"genesis {found[1]}: correct its rpc, or add the other chain under a name of its own."
            )

    def address(self, name: str, what: str) -> Address:
        """The factory or the token.

        Raises:
            NetworkFileInvalid: the network does not say it.
        """
        found = getattr(self, what)
        if found is None:
            raise NetworkFileInvalid(
                f"The network '{name}' names no {what}: put the contracts there with 'bcfl deploy --network {name}', or say "
                f"where they are with 'bcfl networks add {name} --{what} ADDRESS'."
            )
        return Address(found)

    def request_headers(self) -> dict[str, str]:
        """The headers with what the environment says.

        Raises:
            HeaderUnset: it does not.
        """
        made = {}
        for key, value in self.headers.items():
            missing = [one for one in re.findall(r"\$(\w+)", value) if one not in os.environ]
            if missing:
                raise HeaderUnset(
                    f"The header {key} needs the environment variable {missing[0]}, which is not set."
                )
            made[key] = re.sub(r"\$(\w+)", lambda found: os.environ[found[1]], value)
        return made


class Networks:
    """The file of networks.

    Args:
        path: of the file; made with the first network.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[str, Network]:
        """Every network by its name.

        Raises:
            NetworkFileInvalid: the file says something that cannot be.
        """
        try:
            tables = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise NetworkFileInvalid(f"{self.path} cannot be read: {error}.") from error
        return {name: self._network(name, table) for name, table in tables.items()}

    def get(self, name: str) -> Network:
        """The network of that name; raises ``NetworkUnknown`` or ``NetworkFileInvalid``."""
        known = self.all()
        if name not in known:
            others = f"there are {', '.join(sorted(known))}" if known else "there is none yet"
            raise NetworkUnknown(
                f"There is no network '{name}' in {self.path} ({others}): bcfl networks add {name} --rpc ws://HOST:PORT"
            )
        return known[name]

    def put(self, name: str, network: Network) -> None:
        """Write the network under that name, beside the others, whose comments stay.

        Raises:
            NetworkFileInvalid: it is no name, or the file cannot be read.
        """
        if not _NAME.fullmatch(name):
            raise NetworkFileInvalid(
                f"'{name}' is no name for a network: write letters, digits and '.', '_', '-', a letter or digit first."
            )
        self.all()  # what cannot be read is not written over
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        document = tomlkit.parse(text)
        table = tomlkit.table()
        for key, value in network.model_dump(exclude_none=True, exclude_defaults=True).items():
            table[key] = value
        document[name] = table
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.new")
        beside.touch(mode=0o600)  # a provider's address may hold a secret
        beside.write_text(tomlkit.dumps(document), encoding="utf-8")
        beside.replace(self.path)

    def made(self, name: str, values: Mapping[str, object]) -> Network:
        """A network of these values, those it has already where they are not given; raises ``NetworkFileInvalid``."""
        known = self.all().get(name)
        before = {} if known is None else known.model_dump(exclude_none=True)
        return self._network(
            name, {**before, **{key: value for key, value in values.items() if value is not None}}
        )

    def _network(self, name: str, table: object) -> Network:
        try:
            return Network.model_validate(table)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            message = str(first["msg"]).removeprefix("Value error, ")
            raise NetworkFileInvalid(f"The network '{name}' in {self.path}: '{key}' {message}.") from error
