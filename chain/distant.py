# SPDX-License-Identifier: Apache-2.0
"""What blocks said that are long final: by ranges of ``eth_getLogs``, whose length follows what the node gives."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

import anyio
import structlog

from bcfl.chain.blocks import PREFETCH, concurrently, decoded
from bcfl.chain.errors import CallTimeout, ConnectionLost, RpcError
from bcfl.chain.node import Node
from bcfl.contracts.delivery import Batch, Level, LogDecoder
from bcfl.contracts.ids import Address

__all__ = ("DistantBlocks",)

_FIRST_RANGE = 1024
_LONGEST_RANGE = 8192
_LOGS_A_RANGE = (
    4096  # wanted; bounds the memory of a replay, and stays below what providers give in one answer
)
_REFUSED_PAUSE_S = 0.1

_log = structlog.stdlib.get_logger("bcfl.chain.distant")


class DistantBlocks:
    """Reads those of a node's blocks that say something, where no reorganisation is to be expected any more.

    A range beyond the head would be an empty answer and no error, so nothing near the head is read like this.

    Args:
        node: where from.
        decoder: turns raw logs into typed events.
    """

    def __init__(self, *, node: Node, decoder: LogDecoder) -> None:
        self.refusal: RpcError | None = None
        """Why the node last did not give a single block's logs."""
        self._node = node
        self._decoder = decoder
        self._length = _FIRST_RANGE

    async def read(
        self, first: int, last: int, addresses: Collection[Address]
    ) -> tuple[int, list[Batch]] | None:
        """One range that begins with block ``first`` and ends with ``last`` or before it.

        Returns:
            The last block of the range, and of its blocks those with events of these addresses, as ``SEEN``, in their
            order; None where the node refuses even one block, or gives logs of a block that it does not have: ask again.

        Raises:
            CallTimeout: no answer in time; the next range is shorter.
            ConnectionLost: the socket ended, perhaps over an answer that was too long; the next range is shorter.
        """
        while True:
            end = min(last, first + self._length - 1)
            try:
                logs = await self._node.logs_between(first, end, addresses)
                break
            except (CallTimeout, ConnectionLost):
                self._shorten(first, end)
                raise
            except RpcError as error:
                _log.debug("range_refused", first=first, last=end, reason=error.message)
                if first == end:
                    self.refusal = error
                    return None
                self._shorten(first, end)
                await anyio.sleep(_REFUSED_PAUSE_S)  # it may be that it was asked too often
        self._length = max(
            1, min(2 * self._length, _LONGEST_RANGE, self._length * _LOGS_A_RANGE // max(1, len(logs)))
        )
        batches: list[Batch] = []
        of_block = {number: list(some) for number, some in groupby(logs, key=lambda log: log.block_number)}
        for place in range(0, len(of_block), PREFETCH):
            numbers = list(of_block)[place : place + PREFETCH]
            for number, block in zip(
                numbers, await concurrently(self._node.find_block, numbers), strict=True
            ):
                if block is None or any(log.block_hash != block.ref.hash for log in of_block[number]):
                    return None
                events = await decoded(self._decoder, block.ref, of_block[number])
                batches.append(Batch(block=block.ref, level=Level.SEEN, events=events))
        return end, batches

    def _shorten(self, first: int, last: int) -> None:
        self._length = max(1, (last - first + 1) // 2)
