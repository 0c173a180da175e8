# SPDX-License-Identifier: Apache-2.0
"""The committed, compiled contracts: ABI and bytecode."""

from __future__ import annotations

import functools
import importlib.resources
import json
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
    source_hash: str


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
    )
