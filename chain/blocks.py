# SPDX-License-Identifier: Apache-2.0
"""Whole blocks: a header and all its decoded logs, or nothing where the chain moved in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import anyio
import anyio.lowlevel
import structlog

from bcfl.chain.bloom import may_contain
from bcfl.chain.errors import RpcError
from bcfl.chain.node import Node
from bcfl.chain.raw import RawLog
from bcfl.contracts.delivery import Batch, BlockRef, EventOrigin, Level, LogDecoder
from bcfl.contracts.ids import Address

__all__ = ("PREFETCH", "WholeBlocks", "concurrently", "decoded")

PREFETCH = 16
"""Blocks read at the same time; bounds the memory of a replay."""

_LOGS_A_TURN = 200  # decoded without letting others run: about 10 ms

_log = structlog.stdlib.get_logger("bcfl.chain.blocks")

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class WholeBlocks:
    """Reads whole blocks from a node.

    Args:
        node: where from.
        decoder: turns raw logs into typed events.
    """

    def __init__(self, *, node: Node, decoder: LogDecoder) -> None:
        self.refusal: RpcError | None = None
        """Why the node last did not give a block's logs."""
        self._node = node
        self._decoder = decoder

    async def read(self, number: int, addresses: Iterable[Address]) -> Batch | None:
        """The block of that number as ``SEEN``, with the events of these addresses in the order of their logs.

        The logs are asked for by the block's hash, so they are all of this block or an error, and not asked for
        where the bloom filter rules them out.

        Returns:
            None where the node has no such block, or no longer, or does not know its logs yet: ask again.
        """
        block = await self._node.find_block(number)
        if block is None:
            return None
        emitters = [address for address in addresses if may_contain(block.logs_bloom, address)]
        try:
            logs = await self._node.logs(block.ref.hash, emitters)
        except RpcError as error:
            _log.debug("logs_refused", block=number, reason=error.message)
            self.refusal = error
            return None
        return Batch(block=block.ref, level=Level.SEEN, events=await decoded(self._decoder, block.ref, logs))

    async def read_many(self, numbers: Iterable[int], addresses: Iterable[Address]) -> list[Batch | None]:
        """Blocks in the order of the numbers, read at the same time."""
        emitters = tuple(addresses)
        return await concurrently(lambda number: self.read(number, emitters), list(numbers))


async def decoded(decoder: LogDecoder, block: BlockRef, logs: Sequence[RawLog]) -> tuple[object, ...]:
    """The typed events of a block's logs, in their order; lets others run in between."""
    events: list[object] = []
    for place, log in enumerate(logs):
        if place % _LOGS_A_TURN == _LOGS_A_TURN - 1:
            await anyio.lowlevel.checkpoint()
        origin = EventOrigin(
            block=block, log_index=log.log_index, transaction=log.transaction, address=log.address
        )
        events.extend(decoder(origin=origin, topics=log.topics, data=log.data))
    return tuple(events)


async def concurrently(
    function: Callable[[_Item], Awaitable[_Result]], items: Sequence[_Item]
) -> list[_Result]:
    """Results in the order of the items; the first error of that order is raised as it is, after all have ended."""
    results: dict[int, _Result] = {}
    errors: dict[int, Exception] = {}

    async def run(place: int) -> None:
        try:
            results[place] = await function(items[place])
        except Exception as error:  # noqa: BLE001 - raised below, without the task group's wrapping
            errors[place] = error

    async with anyio.create_task_group() as group:
        for place in range(len(items)):
            group.start_soon(run, place)
    if errors:
        raise errors[min(errors)]
    return [results[place] for place in range(len(items))]
