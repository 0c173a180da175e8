# SPDX-License-Identifier: Apache-2.0
"""The block pump: subscriptions ring, one catch-up routine reads whole blocks and delivers them in order.

Nothing but ``_catch_up`` reads blocks, at the start, live, after a gap, a reconnect and a reorganisation, so
live and replayed deliveries cannot differ. The subscriptions' payloads are never looked at: on one socket a
block's logs may come before its head or after the next one's, and anvil sends no head after a rollback.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio
import structlog

from bcfl.chain.blocks import PREFETCH, WholeBlocks, concurrently
from bcfl.chain.errors import (
    BlockUnavailable,
    CallTimeout,
    ConnectionLost,
    NodeUnreachable,
    PumpNotStarted,
    PumpStopped,
    ReorganisationTooDeep,
)
from bcfl.chain.headers import HeaderWindow
from bcfl.chain.node import Node
from bcfl.chain.transport import Subscription
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level, LogDecoder, Retracted
from bcfl.contracts.ids import Address, BlockHash

__all__ = ("BlockPump", "ReconnectPolicy", "Sink")

Sink = Callable[[Delivery], Awaitable[None]]
"""Takes deliveries one by one; the next block waits for it."""

_UNAVAILABLE_ATTEMPTS = 30
_UNAVAILABLE_DELAY_S = 0.02
_UNAVAILABLE_LONGEST_DELAY_S = 1.0

_log = structlog.stdlib.get_logger("bcfl.chain.pump")


@dataclass(frozen=True, kw_only=True)
class ReconnectPolicy:
    """How long a lost node is waited for; delays double from the first to the longest."""

    first_delay_s: float = 0.25
    longest_delay_s: float = 30.0
    give_up_after_s: float = 600.0


class BlockPump:
    """Delivers a node's blocks to one sink, each ``SEEN`` and later ``FINAL``, ``Retracted`` in between.

    Delivery is at least once: what the sink fails on is delivered again after a reconnect.

    Args:
        node: where blocks come from; reconnected by the pump alone.
        addresses: whose events are read; ``watch`` adds more.
        decoder: turns raw logs into typed events.
        start: the last block delivered in an earlier life, or the number of the first to deliver.
        confirmations: how deep a block is when it is ``FINAL``; 0: at once.
        window: headers remembered, and so the deepest reorganisation that can be undone.
        head_timeout_s: silence after which the node is asked whether there are new blocks.
        reconnect: how long a lost node is waited for; None: not at all.
        recent: linked headers that end with ``start``, oldest first, kept from the earlier life: with them
            a reorganisation during the pause can be undone also where the node forgets what it replaced.
    """

    def __init__(
        self,
        *,
        node: Node,
        addresses: Iterable[Address],
        decoder: LogDecoder,
        start: BlockRef | int,
        confirmations: int,
        window: int = 256,
        head_timeout_s: float = 30.0,
        reconnect: ReconnectPolicy | None = None,
        recent: Sequence[BlockRef] = (),
    ) -> None:
        self.delivered = 0
        """Blocks delivered as ``SEEN``."""
        self.retracted = 0
        """Blocks taken back."""
        self._node = node
        self._addresses = dict.fromkeys(addresses)
        self._blocks = WholeBlocks(node=node, decoder=decoder)
        self._start = start
        self._confirmations = confirmations
        self._window = HeaderWindow(size=window)
        self._window_size = window
        self._head_timeout_s = head_timeout_s
        self._reconnect = reconnect
        self._recent = tuple(recent)
        # what an int start names was not delivered before, whatever stands below it
        self._first = start if isinstance(start, int) else 0
        self._final = start - 1 if isinstance(start, int) else max(start.number - confirmations, -1)
        self._unfinal: dict[int, Batch] = {}
        self._watches: deque[tuple[Address, int]] = deque()
        self._heads: Subscription | None = None
        self._logs: Subscription | None = None
        self._logs_addresses: tuple[Address, ...] = ()
        self._bell = anyio.Event()
        self._progress = anyio.Event()
        self._located = False
        self._ended = False
        self._failure: Exception | None = None

    @property
    def addresses(self) -> frozenset[Address]:
        """Whose events are read."""
        return frozenset(self._addresses)

    @property
    def cursor(self) -> BlockRef:
        """The newest block delivered.

        Raises:
            PumpNotStarted: none yet.
        """
        tip = self._window.tip
        if tip is None:
            raise PumpNotStarted
        return tip

    @property
    def recent(self) -> tuple[BlockRef, ...]:
        """Headers that lead to the cursor, oldest first: keep them for ``recent`` of the next life."""
        return tuple(self._window)

    @property
    def unfinal(self) -> int:
        """Blocks delivered as ``SEEN`` and not yet as ``FINAL``."""
        tip = self._window.tip
        return 0 if tip is None else max(0, tip.number - self._final)

    def watch(self, address: Address, *, from_block: int) -> None:
        """Read this address too, from a block on.

        Blocks from there on that were delivered before are followed up, in order and before the next block, by
        batches of their own with this address's events only. Nothing happens for an address watched already.
        """
        if address not in self._addresses:
            self._addresses[address] = None
            self._watches.append((address, from_block))
            self._bell.set()

    async def reached(self, block_number: int) -> None:
        """Return when that block or a later one was delivered.

        Raises:
            ChainError: what ended the pump.
        """
        while (tip := self._window.tip) is None or tip.number < block_number:
            await self._next_progress()

    async def settled(self, block_number: int) -> None:
        """Return when that block was delivered and nothing that follows from it is still to come.

        What follows: its finality, as far as the confirmations go, and the events of addresses added since.

        Raises:
            ChainError: what ended the pump.
        """
        while (
            (tip := self._window.tip) is None
            or tip.number < block_number
            or self._final < tip.number - self._confirmations
            or self._watches
        ):
            await self._next_progress()

    async def run(self, sink: Sink) -> None:
        """Deliver until cancelled.

        Raises:
            ConnectionLost: the node did not come back as the policy allows.
            ChainIdentityChanged: another chain came back.
            ReorganisationTooDeep: what was final, or is no longer remembered, left the chain.
            BlockUnavailable: the node announces a block and does not give it.
        """
        try:
            while True:
                try:
                    await self._session(sink)
                except (ConnectionLost, CallTimeout) as lost:
                    await self._restore(lost)
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._ended = True
            self._announce_progress()

    async def _session(self, sink: Sink) -> None:
        await self._subscribe()
        while True:
            self._bell = anyio.Event()
            await self._catch_up(sink)
            with anyio.move_on_after(self._head_timeout_s) as silence:
                await self._bell.wait()
            if silence.cancelled_caught:
                delivered = self.delivered
                await self._catch_up(sink)
                if self.delivered != delivered:
                    _log.warning("subscriptions_silent", timeout_s=self._head_timeout_s)
                    await self._subscribe()

    async def _subscribe(self) -> None:
        # before the first catch-up, so that no block falls between the two
        for old in (self._heads, self._logs):
            if old is not None:
                await old.aclose()
        self._logs, self._logs_addresses = None, ()
        self._heads = await self._node.transport.subscribe("newHeads", on_ring=self._ring)
        await self._subscribe_logs()

    async def _subscribe_logs(self) -> None:
        addresses = tuple(self._addresses)
        if addresses == self._logs_addresses:
            return
        old, self._logs_addresses = self._logs, addresses
        self._logs = await self._node.transport.subscribe(
            "logs", {"address": list(addresses)}, on_ring=self._ring
        )
        if old is not None:
            await old.aclose()

    def _ring(self) -> None:
        self._bell.set()

    async def _restore(self, lost: ConnectionLost | CallTimeout) -> None:
        policy = self._reconnect
        if policy is None:
            raise lost
        _log.warning("connection_lost", reason=str(lost))
        self._heads = self._logs = None
        delay = policy.first_delay_s
        last: Exception = lost
        with anyio.move_on_after(policy.give_up_after_s):
            while True:
                try:
                    await self._node.reconnect()
                except (NodeUnreachable, ConnectionLost, CallTimeout) as error:
                    last = error
                else:
                    _log.info("reconnected", url=self._node.url)
                    return
                await anyio.sleep(delay)
                delay = min(2 * delay, policy.longest_delay_s)
        raise ConnectionLost(
            f"The node at {self._node.url} did not come back within {policy.give_up_after_s:g} s."
        ) from last

    async def _catch_up(self, sink: Sink) -> None:
        attempts = 0
        while True:
            if not self._located:
                await self._locate()
            await self._subscribe_logs()
            tip = self._window.tip
            if not await self._deliver_late(sink):
                progressed = await self._retract(sink)
            else:
                head = (await self._node.block("latest")).ref
                if tip is not None and head.hash == tip.hash:
                    if self._watches:
                        continue
                    return
                if tip is None or head.number > tip.number:
                    progressed = await self._advance(head.number, sink)
                elif not (progressed := await self._retract(sink, head)):
                    return
            if progressed:
                attempts = 0
                continue
            attempts += 1
            if attempts == _UNAVAILABLE_ATTEMPTS:
                raise BlockUnavailable(
                    f"The node at {self._node.url} announces blocks after {tip.number if tip else 'the start'} "
                    f"but does not give them."
                ) from self._blocks.refusal
            await anyio.sleep(min(_UNAVAILABLE_DELAY_S * 2**attempts, _UNAVAILABLE_LONGEST_DELAY_S))

    async def _advance(self, head: int, sink: Sink) -> bool:
        """Deliver the next blocks up to the head; whether anything changed."""
        tip = self._window.tip
        first = 0 if tip is None else tip.number + 1
        numbers = range(first, min(head, first + PREFETCH - 1) + 1)
        for progress, batch in enumerate(await self._blocks.read_many(numbers, self._addresses)):
            if self._watches:
                return True  # an address was added after this block was read
            if batch is None:
                return progress > 0
            if not self._window.links(batch.block):
                return await self._retract(sink) or progress > 0
            await self._deliver(batch, sink)
        return True

    async def _deliver(self, batch: Batch, sink: Sink) -> None:
        if batch.block.number >= self._first:
            await sink(batch)
            self.delivered += 1
            self._unfinal[batch.block.number] = batch
        self._window.extend(batch.block)
        await self._promote(batch.block.number - self._confirmations, sink)
        self._announce_progress()

    async def _promote(self, last: int, sink: Sink) -> None:
        while self._final < last:
            number = self._final + 1
            # not kept: delivered in an earlier life, or followed up by a late address
            batch = self._unfinal.get(number) or await self._blocks.read(number, self._addresses)
            if batch is None or self._window.at(number) not in {None, batch.block}:
                return  # the chain moved; the next block shows how
            await sink(Batch(block=batch.block, level=Level.FINAL, events=batch.events))
            self._unfinal.pop(number, None)
            self._final = number

    async def _deliver_late(self, sink: Sink) -> bool:
        """Follow up delivered blocks with addresses added since; False where the chain moved meanwhile."""
        while self._watches:
            address, from_block = self._watches[0]
            tip = self._window.tip
            position = max(from_block, 0)
            while tip is not None and position <= tip.number:
                numbers = range(position, min(tip.number, position + PREFETCH - 1) + 1)
                for number, batch in zip(
                    numbers, await self._blocks.read_many(numbers, [address]), strict=True
                ):
                    if batch is None or self._window.at(number) not in {None, batch.block}:
                        self._watches[0] = (address, number)
                        return False
                    if batch.events:
                        await sink(batch)
                        self._unfinal.pop(number, None)
                        if number <= self._final:
                            await sink(Batch(block=batch.block, level=Level.FINAL, events=batch.events))
                    position = number + 1
            self._watches.popleft()
            self._announce_progress()
        return True

    async def _retract(self, sink: Sink, head: BlockRef | None = None) -> bool:
        """Take back what left the chain; whether anything did."""
        tip = self._window.tip
        if tip is None:
            return False
        fork = await self._find_fork()
        if fork == tip:
            return False
        if fork.number < self._final and self._final >= self._first:
            if head is not None and head.hash == fork.hash:
                # not contradicted, only shorter: a node that lags behind the one we spoke to before
                _log.warning("node_behind", head=head.number, cursor=tip.number)
                return False
            raise ReorganisationTooDeep(
                f"The chain was reorganised from block {fork.number + 1} on, while blocks up to {self._final} were "
                f"delivered as final; raise the confirmations (now {self._confirmations}) for this chain."
            )
        removed = tuple(block for block in self._window.rewind(fork) if block.number >= self._first)
        for block in removed:
            self._unfinal.pop(block.number, None)
        if removed:
            _log.info("retracted", blocks=len(removed), fork=fork.number)
            self.retracted += len(removed)
            await sink(Retracted(blocks=removed))
        self._announce_progress()
        return True

    async def _find_fork(self) -> BlockRef:
        canonical: dict[int, BlockHash | None] = {}
        position, step = self.cursor.number, 1
        while (fork := self._window.find_fork(canonical)) is None:
            numbers = range(position, max(position - step, -1), -1)
            found = await concurrently(self._node.find_block, list(numbers))
            for number, block in zip(numbers, found, strict=True):
                canonical[number] = None if block is None else block.ref.hash
            position, step = position - step, min(2 * step, PREFETCH)
        return fork

    async def _locate(self) -> None:
        """Remember the headers that lead to the start, so that a reorganisation below it can be undone too."""
        if isinstance(self._start, int):
            before = min(self._start - 1, await self._node.block_number())
            if before >= 0:
                headers = await self._headers_down_from((await self._node.block(before)).ref)
                self._window = HeaderWindow(size=self._window_size, headers=headers)
        elif self._recent:
            self._window = HeaderWindow(size=self._window_size, headers=self._recent)
            if self._window.tip != self._start:
                raise ValueError("The recent headers must end with the start.")
        else:
            headers = await self._headers_down_from(self._start)
            self._window = HeaderWindow(size=self._window_size, headers=headers)
        self._located = True
        self._announce_progress()

    async def _headers_down_from(self, newest: BlockRef) -> list[BlockRef]:
        headers = [newest]  # newest first while it grows
        # by hash while off the node's chain: some nodes keep what was replaced
        while len(headers) < self._window_size and headers[-1].number > 0:
            canonical = await self._node.find_block(headers[-1].number)
            if canonical is not None and canonical.ref.hash == headers[-1].hash:
                break
            parent = await self._node.find_block(headers[-1].parent_hash)
            if parent is None:
                break
            headers.append(parent.ref)
        while len(headers) < self._window_size and headers[-1].number > 0:
            top = headers[-1].number - 1
            count = min(PREFETCH, self._window_size - len(headers), top + 1)
            numbers = range(top, top - count, -1)
            for block in await concurrently(self._node.find_block, list(numbers)):
                if block is None or block.ref.hash != headers[-1].parent_hash:
                    return headers[::-1]
                headers.append(block.ref)
        return headers[::-1]

    def _announce_progress(self) -> None:
        self._progress.set()
        self._progress = anyio.Event()

    async def _next_progress(self) -> None:
        if self._ended:
            raise self._failure or PumpStopped
        await self._progress.wait()
