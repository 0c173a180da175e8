# SPDX-License-Identifier: Apache-2.0
"""The clock driver of a scenario's devnet: mine when everybody who will act has acted, else move time on.

It sees queue depths only: whether the process is busy, how many transactions wait, until when sleepers sleep.
"""

from __future__ import annotations

import anyio

from bcfl.agents.runtime.chronicle import Chronicle
from bcfl.agents.runtime.ports import BusyMark
from bcfl.agents.runtime.process import AgentProcess
from bcfl.chain.clock import DrivenChainClock
from bcfl.chain.devnet import mine
from bcfl.chain.dispatch import Gathered
from bcfl.chain.mined_blocks import BlockKeeper
from bcfl.chain.node import Node
from bcfl.scenarios.errors import ScenarioStuck

__all__ = ("drive",)


async def drive(
    *,
    process: AgentProcess,
    chronicle: Chronicle,
    node: Node,
    dispatch: Gathered,
    clock: DrivenChainClock,
    busy: BusyMark,
    over: anyio.Event,
    keeper: BlockKeeper | None = None,
) -> None:
    """Mine and move time until the run is over; a block is kept once all that follows from it was delivered.

    Raises:
        ScenarioStuck: nobody acts, nobody waits, and the task has not ended.
    """
    block = (await node.block("latest")).ref
    await process.pump.settled(block.number)
    while not over.is_set():
        await process.activity.idle()
        busy.start()
        try:
            await dispatch.release()
            # Our own timestamps: anvil's follow the wall, and a run is to repeat exactly.
            timestamp = block.timestamp + 1
            if not process.pool.pending and chronicle.seen is chronicle.final:
                wake = clock.next_wake()
                if wake is None:
                    raise ScenarioStuck
                timestamp = max(timestamp, wake)
            block = await mine(node, timestamp=timestamp)
            await process.pump.settled(block.number)
            if keeper is not None:
                await keeper.keep(block.number)
        finally:
            busy.stop()
