# SPDX-License-Identifier: Apache-2.0
"""An agent that was away: blocks with few events among them, read block by block and by ranges, in turn."""

from __future__ import annotations

import time
from statistics import median
from unittest.mock import patch

import anyio

from bcfl.chain.devnet import Devnet
from bcfl.chain.node import Node, open_node
from bcfl.chain.pump import BlockPump
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch, Delivery, Level
from benchmarks.emitter import Emitter
from benchmarks.record import Record

__all__ = ("measure",)

_NEVER = 10**9


async def measure(*, quick: bool) -> Record:
    """Blocks a second on anvil, from the start of a pump until it is level with the chain."""
    blocks, events, passes = (4_000, 40, 2) if quick else (20_000, 200, 5)
    taken: dict[str, list[float]] = {"block by block": [], "by ranges": []}
    async with Devnet.start() as devnet, open_node(devnet.url) as node:
        emitter = await Emitter.deploy(node)
        for number in range(events):
            await emitter.emit(number)
            await node.transport.request("anvil_mine", [hex(blocks // events), "0x1"])
        for _ in range(passes):
            with patch("bcfl.chain.pump._FAR", _NEVER):
                taken["block by block"].append(await _level(node, emitter, events))
            taken["by ranges"].append(await _level(node, emitter, events))
    medians = {name: median(seconds) for name, seconds in taken.items()}
    ratio = medians["block by block"] / medians["by ranges"]
    return Record(
        name="catch_up",
        title=f"{blocks:,} blocks with {events} events, from the start of a pump until it is level (anvil, median of {passes})",
        columns=("read", "seconds", "blocks a second"),
        rows=[(name, f"{seconds:.2f}", f"{blocks / seconds:,.0f}") for name, seconds in medians.items()],
        notes=[
            f"by ranges is {ratio:.1f} times as fast; the newest 256 blocks are read one by one either way"
        ],
        values={"blocks": blocks, "events": events, "seconds": taken, "ratio": ratio},
    )


async def _level(node: Node, emitter: Emitter, events: int) -> float:
    """Seconds until a new pump has delivered everything."""
    told = 0

    async def sink(delivery: Delivery) -> None:
        nonlocal told
        if isinstance(delivery, Batch) and delivery.level is Level.SEEN:
            told += len(delivery.events)

    newest = await node.block_number()
    pump = BlockPump(node=node, addresses=[emitter.address], decoder=decode_log, start=0, confirmations=12)
    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(pump.run, sink)
        await pump.settled(newest)
        seconds = time.perf_counter() - began
        group.cancel_scope.cancel()
    if told != events:
        raise RuntimeError(f"The pump told {told} of {events} events.")
    return seconds
