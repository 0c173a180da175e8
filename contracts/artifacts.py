# SPDX-License-Identifier: Apache-2.0
"""The committed, compiled contracts: ABI and bytecode."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bcfl.contracts.errors import ArtifactMissing

__all__ = ("Artifact", "load")


@dataclass(frozen=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    """Creation code; zeros where the addresses of ``libraries`` belong."""
    source_hash: str
    libraries: Mapping[str, tuple[int, ...]]
    """Places (bytes) of the address of each library that it is to be linked with, by its name."""

    def linked(self, addresses: Mapping[str, str]) -> bytes:
        """Creation code that calls its libraries at these addresses, by name.

        Raises:
            KeyError: one of them has none.
        """
        code = bytearray(self.bytecode)
        for library, places in self.libraries.items():
            for place in places:
                code[place : place + 20] = bytes.fromhex(addresses[library].removeprefix("0x"))
        return bytes(code)


@functools.cache
def load(name: str) -> Artifact:
    """The artifact of a contract.

    Raises:
        ArtifactMissing: there is none of that name.
    """
    file = importlib.resources.files("bcfl.contracts") / "artifacts" / f"{name}.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactMissing(f"The compiled contract '{name}' is missing; run 'make artifacts'.") from None
    return Artifact(
        name=name,
        abi=tuple(content["abi"]),
        bytecode=bytes.fromhex(content["bytecode"].removeprefix("0x")),
        source_hash=content["source_hash"],
        libraries={name: tuple(places) for name, places in content["libraries"].items()},
    )
