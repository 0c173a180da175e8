# SPDX-License-Identifier: Apache-2.0
"""The model that a task starts from: drawn under the seed, or one that somebody has trained before."""

from __future__ import annotations

from pathlib import Path

import anyio

from bcfl.contracts.ids import ContentId
from bcfl.models.data.user_files import candidates
from bcfl.models.errors import MalformedUpdate
from bcfl.models.networks.network import Network, initial_weights
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import decode
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.errors import GenesisUnfit
from bcfl.seeds import Seeds
from bcfl.storage.content_id import LEAF_BYTES, Codec, content_id, parse_cid
from bcfl.storage.errors import MalformedContentId
from bcfl.storage.opening import open_store

__all__ = ("genesis_of",)

_DEADLINE_S = 60.0


async def genesis_of(
    scenario: Scenario, seeds: Seeds, *, data_dir: Path | None, kept: bytes | None = None
) -> Weights:
    """The weights of ``task.genesis``, a file or a CID in the scenario's Kubo node; drawn under the seed where it names none.

    Args:
        scenario: with a network that fits the data.
        seeds: of the scenario.
        data_dir: where a relative path is looked for first.
        kept: what a run that has begun has kept of it, which may be gone or another by now.

    Raises:
        GenesisUnfit: there is nothing of that name, or it is no model of the network.
        StorageError: the Kubo node does not answer.
    """
    network: Network = scenario.task.network.create("network")
    name = scenario.task.genesis
    if name is None:
        return initial_weights(network, seeds.integer("genesis"))
    limit = scenario.task.intake.max_update_bytes
    data = kept if kept is not None else _read(name, limit, data_dir)
    if data is None:
        data = await _fetched(name, limit, scenario)
    try:
        weights, _ = decode(data, network.schema())
    except MalformedUpdate as error:
        raise GenesisUnfit(
            f"'{name}' at task.genesis is no model of the network '{scenario.task.network.name}' ({error.reason}): give a safetensors file of "
            f"its tensors, such as a run's final.safetensors."
        ) from error
    return weights


def _read(name: str, limit: int, data_dir: Path | None) -> bytes | None:
    for path in candidates(Path(name), data_dir):
        if path.is_file():
            if path.stat().st_size > limit:
                raise GenesisUnfit(
                    f"{path} at task.genesis has {path.stat().st_size:,} bytes, more than task.intake.max_update_bytes, {limit:,}."
                )
            return path.read_bytes()
    return None


async def _fetched(name: str, limit: int, scenario: Scenario) -> bytes:
    try:
        digest, codec = parse_cid(name)
    except MalformedContentId:
        raise GenesisUnfit(
            f"There is no file '{name}', which task.genesis names, and it is no CID either: correct the path."
        ) from None
    if scenario.storage.kind != "kubo":
        raise GenesisUnfit(
            f"task.genesis names the content {name}, which only a Kubo node can have before the run: write storage.kind: kubo, or give the "
            f"file."
        )
    # Its size is not known: at most this much is read, and the digest says whether that was all.
    most = ContentId(digest=digest, size=limit if codec is Codec.DAG_PB else min(limit, LEAF_BYTES))
    data = bytearray()
    async with open_store("kubo", scenario.storage.url) as store:
        with anyio.move_on_after(_DEADLINE_S):
            async for chunk in store.get(most):
                data += chunk
                if len(data) > limit:
                    break
    if content_id(data).digest != digest:
        raise GenesisUnfit(
            f"The content {name}, which task.genesis names, did not come whole within {_DEADLINE_S:g} s and {limit:,} bytes: raise "
            f"task.intake.max_update_bytes, or pin it at the node first."
        )
    return bytes(data)
