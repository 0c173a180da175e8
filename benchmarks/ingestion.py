# SPDX-License-Identifier: Apache-2.0
"""Logs per second of one large block: through the block pump, and through web3.py's own subscription.

The clock runs from the request to mine until the last handler has its log; what mining such a block takes while
nobody listens, measured in the same passes, is taken off.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import anyio
import anyio.lowlevel
from web3 import AsyncWeb3, WebSocketProvider
from web3.utils.subscriptions import LogsSubscription

from bcfl.chain.devnet import Devnet, mine
from bcfl.chain.node import Node, open_node
from bcfl.chain.pump import BlockPump
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch, Delivery, EventOrigin, Level, LogDecoder
from benchmarks.emitter import Emitter

__all__ = ("Ingestion", "measure_ingestion")

_STALL_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Ingestion:
    """Sentences for people, numbers for the file."""

    notes: list[str]
    values: dict[str, Any]


async def measure_ingestion(*, logs: int, passes: int) -> Ingestion:
    """The three ways in turn, ``passes`` times."""
    mining: list[float] = []
    taken: dict[str, list[float]] = {"pump": [], "pump_decoded": [], "web3": []}
    came: list[int] = []
    async with Devnet.start() as devnet, open_node(devnet.url) as node:
        emitter = await Emitter.deploy(node)
        for _ in range(passes):
            began = await _mine_logs(node, emitter, logs)
            mining.append(time.perf_counter() - began)
            taken["pump"].append(await _by_pump(node, emitter, logs, _undecoded))
            taken["pump_decoded"].append(await _by_pump(node, emitter, logs, decode_log))
            seconds, received = await _by_web3(devnet.url, node, emitter, logs)
            taken["web3"].append(seconds)
            came.append(received)
    mined = median(mining)
    rates = {name: logs / (median(values) - mined) for name, values in taken.items()}
    rates["web3"] *= median(came) / logs
    ratio, ratio_decoded = rates["pump"] / rates["web3"], rates["pump_decoded"] / rates["web3"]
    against_web3 = (
        f"a block of {logs:,} logs: {rates['pump']:,.0f} logs/s through the pump ({rates['pump_decoded']:,.0f} as "
        f"typed events) against {rates['web3']:,.0f} through web3.py's subscription: {ratio:.1f} times "
        f"({ratio_decoded:.1f}); mining the block, {1e3 * mined:.0f} ms, is not counted"
    )
    notes = [against_web3]
    if min(came) < logs:
        notes.append(f"web3.py's subscription stalled: it gave {min(came):,} of {logs:,} logs")
    return Ingestion(
        notes=notes,
        values={
            "logs": logs,
            "mining_s": mining,
            "mining_and_delivery_s": taken,
            "rates_per_s": rates,
            "ratio": ratio,
            "ratio_decoded": ratio_decoded,
            "web3_received": came,
        },
    )


async def _mine_logs(node: Node, emitter: Emitter, logs: int) -> float:
    """Mine one block with these logs; returns when the request was made."""
    await emitter.emit(1, logs)
    began = time.perf_counter()
    await mine(node)
    return began


def _undecoded(
    *, origin: EventOrigin, topics: tuple[bytes, ...], data: bytes
) -> tuple[tuple[EventOrigin, tuple[bytes, ...], bytes], ...]:
    """What web3.py gives its handlers: the log's parts, its data not decoded."""
    return ((origin, topics, data),)


async def _by_pump(node: Node, emitter: Emitter, logs: int, decoder: LogDecoder) -> float:
    """Seconds from the request to mine until the sink has the block."""
    ended: list[float] = []

    async def sink(delivery: Delivery) -> None:
        if isinstance(delivery, Batch) and delivery.level is Level.SEEN and len(delivery.events) == logs:
            ended.append(time.perf_counter())

    head = (await node.block("latest")).ref
    pump = BlockPump(node=node, addresses=[emitter.address], decoder=decoder, start=head, confirmations=0)
    async with anyio.create_task_group() as group:
        group.start_soon(pump.run, sink)
        await pump.settled(head.number)
        began = await _mine_logs(node, emitter, logs)
        await pump.settled(head.number + 1)
        group.cancel_scope.cancel()
    return ended[0] - began


async def _by_web3(url: str, node: Node, emitter: Emitter, logs: int) -> tuple[float, int]:
    """Seconds from the request to mine until the handler had the last log that came, and how many came."""
    received = 0
    latest = 0.0
    everything = anyio.Event()

    async def handler(_context: object) -> None:
        nonlocal received, latest
        received += 1
        latest = time.perf_counter()
        if received == logs:
            everything.set()

    async with AsyncWeb3(WebSocketProvider(url)) as web3:
        await web3.subscription_manager.subscribe(
            LogsSubscription(address=web3.to_checksum_address(emitter.address), handler=handler)
        )

        async def handle() -> None:
            await web3.subscription_manager.handle_subscriptions(run_forever=True)

        async with anyio.create_task_group() as group:
            group.start_soon(handle)
            await anyio.lowlevel.checkpoint()
            began = await _mine_logs(node, emitter, logs)
            with anyio.move_on_after(_STALL_S):
                await everything.wait()
            group.cancel_scope.cancel()
    return latest - began, received
