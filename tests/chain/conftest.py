# SPDX-License-Identifier: Apache-2.0
"""A fresh anvil per test, a contract that emits as many logs as it is told, and a sink that checks what comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
import pytest_asyncio

from bcfl.chain.devnet import Devnet, mine
from bcfl.chain.node import Node, open_node
from bcfl.chain.pump import BlockPump, Sink
from bcfl.chain.raw import checksummed
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, EventOrigin, Level, Retracted
from bcfl.contracts.ids import Address

GENESIS_TIME = 1_700_000_000

# As many logs as the first word of the call data says: data counts them, the topic is the second word.
_RUNTIME = bytes.fromhex(
    "6000"  # 00 PUSH 0               i
    "5b"  # 02 JUMPDEST
    "600035811015601e57"  # 03 if not i < n: jump to 1e
    "80600052"  # 0c memory[0] = i
    "60203560206000a1"  # 10 log1(0, 32, tag)
    "600101"  # 18 i += 1
    "600256"  # 1b jump to 02
    "5b00"  # 1e JUMPDEST STOP
)
_CREATION = bytes.fromhex(f"60{len(_RUNTIME):02x}600c60003960{len(_RUNTIME):02x}6000f3") + _RUNTIME


@dataclass(frozen=True)
class Emitted:
    """The emitter's one event."""

    origin: EventOrigin
    tag: int
    index: int


def decode(*, origin: EventOrigin, topics: tuple[bytes, ...], data: bytes) -> tuple[Emitted, ...]:
    return (Emitted(origin, int.from_bytes(topics[0], "big"), int.from_bytes(data, "big")),)


class Emitter:
    """The contract on one chain, spoken to through an account that anvil signs for."""

    def __init__(self, node: Node, sender: Address, address: Address) -> None:
        self.node = node
        self.sender = sender
        self.address = address

    @classmethod
    async def deploy(cls, node: Node) -> Emitter:
        sender = (await node.accounts())[0]
        transaction = await node.transport.request(
            "eth_sendTransaction", [{"from": sender, "data": f"0x{_CREATION.hex()}", "gas": hex(500_000)}]
        )
        await mine(node)
        receipt = await node.transaction_receipt(transaction)
        assert receipt is not None
        assert receipt["status"] == "0x1"
        return cls(node, sender, checksummed(receipt["contractAddress"]))

    async def emit(self, tag: int, count: int = 1) -> None:
        """Put a transaction into the pool that emits ``count`` events with this tag."""
        data = count.to_bytes(32, "big") + tag.to_bytes(32, "big")
        await self.node.transport.request(
            "eth_sendTransaction",
            [
                {
                    "from": self.sender,
                    "to": self.address,
                    "data": f"0x{data.hex()}",
                    "gas": hex(60_000 + 1_300 * count),
                }
            ],
        )

    async def emit_block(self, *tags: int, count: int = 1) -> BlockRef:
        """A block with one transaction a tag."""
        for tag in tags:
            await self.emit(tag, count)
        return await mine(self.node)


class Ledger:
    """A sink that folds deliveries into the chain they tell, and fails on any that breaks the rules of delivery."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.blocks: list[Batch] = []
        self.final: list[Batch] = []

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if isinstance(delivery, Retracted):
            for block in delivery.blocks:
                assert self.blocks[-1].block == block, "retracted out of order, or never delivered"
                self.blocks.pop()
        elif delivery.level is Level.SEEN:
            if self.blocks:
                assert delivery.block.parent_hash == self.blocks[-1].block.hash, "gap or duplicate"
            self.blocks.append(delivery)
        else:
            if self.final:
                assert delivery.block.parent_hash == self.final[-1].block.hash, "final: gap or duplicate"
            self.final.append(delivery)

    @property
    def tags(self) -> list[int]:
        return [event.tag for batch in self.blocks for event in batch.events]

    @property
    def final_tags(self) -> list[int]:
        return [event.tag for batch in self.final for event in batch.events]

    @property
    def numbers(self) -> list[int]:
        return [batch.block.number for batch in self.blocks]

    @property
    def retractions(self) -> list[list[int]]:
        return [[b.number for b in d.blocks] for d in self.deliveries if isinstance(d, Retracted)]


@asynccontextmanager
async def _running(pump: BlockPump, sink: Sink) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(pump.run, sink)
        with anyio.fail_after(60):
            yield
        group.cancel_scope.cancel()


def _pump(emitter: Emitter, **options: object) -> BlockPump:
    arguments = {
        "node": emitter.node,
        "addresses": [emitter.address],
        "decoder": decode,
        "start": 0,
        "confirmations": 0,
    }
    return BlockPump(**{**arguments, **options})


@pytest_asyncio.fixture
async def anvil() -> AsyncIterator[Devnet]:
    async with Devnet.start(timestamp=GENESIS_TIME) as devnet:
        yield devnet


@pytest_asyncio.fixture
async def node(anvil: Devnet) -> AsyncIterator[Node]:
    async with open_node(anvil.url) as opened:
        yield opened


@pytest_asyncio.fixture
async def emitter(node: Node) -> Emitter:
    return await Emitter.deploy(node)


@pytest.fixture
def deploy() -> Callable[[Node], Awaitable[Emitter]]:
    return Emitter.deploy


@pytest.fixture
def at() -> type[Emitter]:
    """``at(node, sender, address)``: an emitter deployed before."""
    return Emitter


@pytest.fixture
def decoder() -> Callable[..., tuple[Emitted, ...]]:
    return decode


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def new_ledger() -> type[Ledger]:
    return Ledger


@pytest.fixture
def make_pump() -> Callable[..., BlockPump]:
    """``make_pump(emitter, **options)``: from block 0, final at once, unless the options say otherwise."""
    return _pump


@pytest.fixture
def running() -> Callable[[BlockPump, Sink], AbstractAsyncContextManager[None]]:
    """``async with running(pump, sink):`` the pump delivers for the length of the block."""
    return _running
