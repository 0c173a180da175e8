# SPDX-License-Identifier: Apache-2.0
"""How soon an event reaches its handler through the block pump, beside a poll each second, both on the same events.

The clock starts when the transaction's receipt is first readable, asked for each 0.5 ms on a socket of its own.
"""

from __future__ import annotations

import random
import time
from statistics import median

import anyio

from bcfl.chain.devnet import Devnet
from bcfl.chain.node import Node, open_node
from bcfl.chain.pump import BlockPump
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch, Delivery, Level
from bcfl.contracts.events import UpdatesCommitted
from bcfl.contracts.ids import Address
from benchmarks.emitter import Emitter
from benchmarks.ingestion import measure_ingestion
from benchmarks.record import Record, percentile

__all__ = ("measure",)

_POLL_S = 1.0
_RECEIPT_POLL_S = 0.0005
_GAPS_S = (0.01, 0.05)


async def measure(*, quick: bool) -> Record:
    """Latency by pump and by poll, then logs per second by pump and by web3.py's subscription."""
    readable, handled, polled = await _latencies(events=60 if quick else 400)
    pump = [1e3 * (handled[event] - readable[event]) for event in readable]
    poll = [1e3 * (polled[event] - readable[event]) for event in readable]
    ratio = median(poll) / max(median(pump), 1e-3)
    ingestion = await measure_ingestion(logs=1000 if quick else 5000, passes=3)
    rows = [
        (name, f"{percentile(values, 0.5):.2f} ms", f"{percentile(values, 0.99):.2f} ms")
        for name, values in (("block pump", pump), (f"poll each {_POLL_S:g} s", poll))
    ]
    return Record(
        name="latency",
        title=f"receipt readable → handler on automining anvil, {len(pump)} events",
        columns=("path", "p50", "p99"),
        rows=rows,
        notes=[f"the poll's median is {ratio:.0f} times the pump's", *ingestion.notes],
        values={
            "pump_ms": pump,
            "poll_ms": poll,
            "median_ratio": ratio,
            "ingestion": ingestion.values,
        },
    )


async def _latencies(*, events: int) -> tuple[dict[int, float], dict[int, float], dict[int, float]]:
    """When the receipt of each event was readable, when the pump's handler had it, when the poll had it."""
    readable: dict[int, float] = {}
    handled: dict[int, float] = {}
    polled: dict[int, float] = {}
    generator = random.Random(1)
    async with Devnet.start() as devnet, open_node(devnet.url) as node, open_node(devnet.url) as other:
        emitter = await Emitter.deploy(node)
        await node.transport.request("evm_setAutomine", [True])
        head = (await node.block("latest")).ref

        async def sink(delivery: Delivery) -> None:
            if isinstance(delivery, Batch) and delivery.level is Level.SEEN:
                now = time.perf_counter()
                handled.update(
                    {event.batch: now for event in delivery.events if isinstance(event, UpdatesCommitted)}
                )

        pump = BlockPump(
            node=node, addresses=[emitter.address], decoder=decode_log, start=head, confirmations=0
        )
        async with anyio.create_task_group() as group:
            group.start_soon(pump.run, sink)
            group.start_soon(_poll, other, emitter.address, head.number + 1, polled)
            await pump.settled(head.number)
            for event in range(events):
                transaction = await emitter.emit(event)
                while await other.transaction_receipt(transaction) is None:  # noqa: ASYNC110 - asks as often as asked
                    await anyio.sleep(_RECEIPT_POLL_S)
                readable[event] = time.perf_counter()
                await anyio.sleep(generator.uniform(*_GAPS_S))
            await anyio.sleep(2 * _POLL_S)
            group.cancel_scope.cancel()
    return readable, handled, polled


async def _poll(node: Node, address: Address, first: int, polled: dict[int, float]) -> None:
    """What agents without subscriptions do."""
    while True:
        await anyio.sleep(_POLL_S)
        newest = await node.block_number()
        if newest < first:
            continue
        logs = await node.transport.request(
            "eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(newest), "address": address}]
        )
        now = time.perf_counter()
        polled.update({int(log["topics"][2], 16): now for log in logs})
        first = newest + 1
