# SPDX-License-Identifier: Apache-2.0
"""Where remembered headers and a node's chain part, and the headers that lead to a block."""

from __future__ import annotations

from bcfl.chain.blocks import PREFETCH, concurrently
from bcfl.chain.headers import HeaderWindow
from bcfl.chain.node import Node
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.ids import BlockHash

__all__ = ("find_fork", "headers_down_from")


async def find_fork(node: Node, window: HeaderWindow, newest: int) -> BlockRef:
    """The newest header of the window, whose tip has the number ``newest``, that the node's chain has too.

    Raises:
        ReorganisationTooDeep: none of them is in the node's chain.
    """
    canonical: dict[int, BlockHash | None] = {}
    position, step = newest, 1
    while (fork := window.find_fork(canonical)) is None:
        numbers = range(position, max(position - step, -1), -1)
        found = await concurrently(node.find_block, list(numbers))
        for number, block in zip(numbers, found, strict=True):
            canonical[number] = None if block is None else block.ref.hash
        position, step = position - step, min(2 * step, PREFETCH)
    return fork


async def headers_down_from(node: Node, newest: BlockRef, size: int) -> list[BlockRef]:
    """At most ``size`` linked headers that end with ``newest``, oldest first."""
    headers = [newest]  # newest first while it grows
    # by hash while off the node's chain: some nodes keep what was replaced
    while len(headers) < size and headers[-1].number > 0:
        canonical = await node.find_block(headers[-1].number)
        if canonical is not None and canonical.ref.hash == headers[-1].hash:
            break
        parent = await node.find_block(headers[-1].parent_hash)
        if parent is None:
            break
        headers.append(parent.ref)
    while len(headers) < size and headers[-1].number > 0:
        top = headers[-1].number - 1
        count = min(PREFETCH, size - len(headers), top + 1)
        numbers = range(top, top - count, -1)
        for block in await concurrently(node.find_block, list(numbers)):
            if block is None or block.ref.hash != headers[-1].parent_hash:
                return headers[::-1]
            headers.append(block.ref)
    return headers[::-1]
