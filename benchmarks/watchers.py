# SPDX-License-Identifier: Apache-2.0
"""How soon an event reaches the last of a thousand agents of one process, beside one agent alone.

Real commitments of a real task, one a block; the clock starts when the transaction's receipt is first readable, asked for
each 0.5 ms on a socket of its own, and stops when an agent's core is asked what it wants with the event in its view. What
it then decides is not measured.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import anyio

from bcfl.agents.runtime.actions import Action, Results, View, Work
from bcfl.agents.runtime.chronicle import Chronicle, TaskFilter
from bcfl.agents.runtime.participation import Participation
from bcfl.agents.runtime.process import AgentProcess, ProcessSettings
from bcfl.chain.clock import WallChainClock
from bcfl.chain.devnet import Devnet, mine
from bcfl.chain.dispatch import Immediate
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer, derive_key
from bcfl.chain.node import Node, open_node
from bcfl.contracts.delivery import Delivery
from bcfl.contracts.ids import TxHash
from benchmarks.record import Record, percentile
from benchmarks.task_on_anvil import TaskOnAnvil

__all__ = ("measure",)

_AGENTS = (1, 10, 100, 1000)
_RECEIPT_POLL_S = 0.0005
_SETTLED_S = 0.02


class _Watcher:
    """An agent that looks and does nothing; ``looked`` says when it saw how many commitments."""

    role = "watcher"

    def __init__(self, name: str) -> None:
        self.name = name
        self.looked: dict[int, float] = {}

    def decide(self, view: View, results: Results) -> Sequence[Action]:  # noqa: ARG002 - the shell's port
        if view.seen is not None and view.seen.round:
            self.looked.setdefault(len(view.seen.current.commitments), time.perf_counter())
        return []

    async def perform(self, work: Work[Any]) -> None:
        raise TypeError(f"A watcher does not know {work!r}.")


class _Nobody:
    """Hears everything and keeps nothing, as observer and as clock of the chain's work."""

    def delivered(self, delivery: Delivery) -> None: ...

    def decided(self, **_: object) -> None: ...

    def transacted(self, **_: object) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


async def measure(*, quick: bool) -> Record:
    """So many agents, each time on a chain of its own."""
    events = 40 if quick else 200
    found = {agents: await _latencies(agents, events) for agents in _AGENTS}
    alone = percentile(found[1], 0.99)
    rows = [
        (
            f"{agents:,}",
            f"{percentile(values, 0.5):.2f} ms",
            f"{percentile(values, 0.99):.2f} ms",
            f"{percentile(values, 0.99) / alone:.1f}",
        )
        for agents, values in found.items()
    ]
    return Record(
        name="watchers",
        title=f"receipt readable → the last agent of one process looks, {events} events, one a block",
        columns=("agents", "p50", "p99", "p99 ÷ that of one"),
        rows=rows,
        values={str(agents): values for agents, values in found.items()},
    )


async def _latencies(agents: int, events: int) -> list[float]:
    """Milliseconds, of each event."""
    readable: list[float] = []
    async with Devnet.start() as devnet, open_node(devnet.url) as node, open_node(devnet.url) as other:
        task = await TaskOnAnvil.create(node, members=events, relayed=False, unique_digests=False)
        async with Journal.open(
            ":memory:", chain_id=node.chain_id, genesis_hash=node.genesis_hash
        ) as journal:
            nobody = _Nobody()
            process = AgentProcess(
                node=node, journal=journal, clock=WallChainClock(), dispatch=Immediate(), factory=task.factory,
                observer=nobody, busy=nobody, settings=ProcessSettings(),
            )  # fmt: skip
            participation = Participation(Chronicle(TaskFilter(factory=task.factory)), process.activity)
            watchers = [_Watcher(f"watcher {place}") for place in range(agents)]
            for watcher in watchers:
                participation.add(watcher, _signer(watcher.name))
            process.attend(participation)
            async with anyio.create_task_group() as group:
                group.start_soon(process.run)
                while not all(watcher.looked for watcher in watchers):  # noqa: ASYNC110 - until all have begun
                    await anyio.sleep(_SETTLED_S)
                async for transaction in task.commitments():
                    readable.append(await _mined(node, other, transaction))
                    while not all(len(readable) in watcher.looked for watcher in watchers):  # noqa: ASYNC110 - as above
                        await anyio.sleep(_SETTLED_S)
                group.cancel_scope.cancel()
    return [
        1e3 * (max(watcher.looked[number] for watcher in watchers) - moment)
        for number, moment in enumerate(readable, start=1)
    ]


async def _mined(node: Node, other: Node, transaction: TxHash) -> float:
    """Mine it, and say when its receipt was readable."""
    moments: list[float] = []

    async def ask() -> None:
        while await other.transaction_receipt(transaction) is None:  # noqa: ASYNC110 - asks as often as asked
            await anyio.sleep(_RECEIPT_POLL_S)
        moments.append(time.perf_counter())

    newest = await node.block("latest")
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await mine(node, timestamp=newest.ref.timestamp + 1)
    return moments[0]


def _signer(name: str) -> Signer:
    return derive_key(hashlib.sha256(name.encode()).digest())
