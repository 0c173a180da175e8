# SPDX-License-Identifier: Apache-2.0
"""Blocks of a driven devnet as they were mined: kept one by one, and mined again on a fresh devnet, hash for hash.

All that makes a block of such a devnet is its transactions, in their order, and its timestamp, so the chain that ends
with any of them can be had again: a run that was killed goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from bcfl.chain.blocks import concurrently
from bcfl.chain.devnet import mine
from bcfl.chain.errors import ChainNotRepeated
from bcfl.chain.node import Node
from bcfl.contracts.ids import BlockHash

__all__ = ("BlockKeeper", "MinedBlock", "mine_again")


@dataclass(frozen=True, kw_only=True)
class MinedBlock:
    """A block, and its signed transactions in their order."""

    number: int
    timestamp: int
    hash: BlockHash
    transactions: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values; bytes are hexadecimal."""
        return {
            "number": self.number,
            "timestamp": self.timestamp,
            "hash": self.hash,
            "transactions": [raw.hex() for raw in self.transactions],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``; raises ``KeyError``, ``TypeError`` or ``ValueError`` on anything else."""
        return cls(
            number=int(record["number"]),
            timestamp=int(record["timestamp"]),
            hash=BlockHash(str(record["hash"])),
            transactions=tuple(bytes.fromhex(raw) for raw in record["transactions"]),
        )


class BlockKeeper:
    """Hands over each block once, in order.

    Args:
        node: of the devnet.
        append: takes a block as JSON values.
        newest: the number of the last block that was handed over before; -1: none.
    """

    def __init__(self, *, node: Node, append: Callable[[Mapping[str, Any]], None], newest: int = -1) -> None:
        self._node = node
        self._append = append
        self._newest = newest

    async def keep(self, last: int) -> None:
        """Hand over what is new up to that block.

        Raises:
            ChainError: the node does not give it.
        """
        for number in range(self._newest + 1, last + 1):
            block = await self._node.block(number)
            kept = MinedBlock(
                number=number,
                timestamp=block.ref.timestamp,
                hash=block.ref.hash,
                transactions=tuple(await concurrently(self._node.raw_transaction, block.transactions)),
            )
            self._append(kept.to_json())
            self._newest = number


async def mine_again(node: Node, blocks: Iterable[MinedBlock]) -> None:
    """Make a fresh devnet the chain that ends with the last of these blocks.

    Args:
        node: of a devnet without blocks but its genesis, started as the one before it.
        blocks: from the genesis block on.

    Raises:
        ChainNotRepeated: a block comes out as another one.
        ChainError: the node refuses.
    """
    for block in blocks:
        for raw in block.transactions:
            await node.send_raw(raw)
        if block.number:
            found = await mine(node, timestamp=block.timestamp)
        else:
            found = (await node.block(0)).ref
        if (found.number, found.hash) != (block.number, block.hash):
            raise ChainNotRepeated(
                f"Block {block.number} of the run comes out with the hash {found.hash} instead of {block.hash}: go on with the "
                f"version of anvil that the run was started with, or run the scenario again."
            )
