# SPDX-License-Identifier: Apache-2.0
"""What there is of a run from before it was killed, and how its process takes it up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bcfl.agents.common.decisions import GaveUp
from bcfl.chain.mined_blocks import MinedBlock
from bcfl.chain.node import Node
from bcfl.contracts.event_codec import event_from_json
from bcfl.scenarios.running.recorder import Recorder

__all__ = ("Past", "take_up")


@dataclass(frozen=True, kw_only=True)
class Past:
    """What a run goes on from.

    Attributes:
        records: of the event log, all that stay.
        blocks: of a driven devnet, from the genesis block to the last one that was kept.
        url: of the node, where it is not the one that ``chain.json`` shows.
    """

    records: Sequence[dict[str, Any]]
    blocks: Sequence[MinedBlock] = ()
    url: str | None = None

    @property
    def away(self) -> frozenset[str]:
        """Who had failed too often on a driven devnet, where a run is to come to the same as without the kill."""
        told = (record for record in self.records if record["event"] == GaveUp.name and self.blocks)
        return frozenset(record["source"] for record in told)

    @property
    def done(self) -> dict[str, set[tuple[int, str]]]:
        """By agent, round and name of its transactions on a driven devnet; elsewhere the journal knows them."""
        found: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for record in self.records if self.blocks else ():
            if record["event"] == "transaction" and record["status"] == "included":
                found[record["source"]].add((record["round"], record["action"]))
        return found


async def take_up(past: Past, node: Node, recorder: Recorder) -> None:
    """Tell the recorder what the log has, and what of it has left the chain while nobody looked."""
    recorder.take_up(past.records, until=await node.block_number())
    gone = await _gone(past.records, node)
    if gone:
        recorder.retract(gone)


async def _gone(records: Sequence[dict[str, Any]], node: Node) -> list[int]:
    """Blocks of the log, newest first, that the node has others for: down to the first that it has too."""
    blocks: dict[int, str] = {}
    for record in records:
        if record["source"] != "chain":
            continue
        if record["event"] == "retracted":
            for number in record["blocks"]:
                blocks.pop(number, None)
        else:
            origin = event_from_json(record).origin
            blocks[origin.block.number] = origin.block.hash
    gone = []
    for number, known in sorted(blocks.items(), reverse=True):
        found = await node.find_block(number)
        if found is not None and found.ref.hash == known:
            break
        gone.append(number)
    return gone
