# SPDX-License-Identifier: Apache-2.0
"""The block pump: subscriptions ring, one catch-up routine reads whole blocks and delivers them in order.

Nothing but ``_catch_up`` reads blocks, at the start, live, after a gap, a reconnect and a reorganisation, so
live and replayed deliveries cannot differ. The subscriptions' payloads are no data: on one socket a block's logs may
come before its head or after the next one's, and anvil sends no head after a rollback. Only a head that follows the
cursor and whose bloom filter rules our events out is taken as it is, so that who has nothing to do asks nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import anyio
import structlog

from bcfl.chain.ancestry import find_fork, headers_down_from
from bcfl.chain.blocks import PREFETCH, WholeBlocks
from bcfl.chain.bloom import may_contain
from bcfl.chain.distant import DistantBlocks
from bcfl.chain.doorbell import Doorbell
from bcfl.chain.errors import BlockUnavailable, PumpNotStarted, PumpStopped, ReorganisationTooDeep
from bcfl.chain.headers import HeaderWindow
from bcfl.chain.node import Node
from bcfl.chain.reconnecting import NODE_LOST, ReconnectPolicy, wait_for_node
from bcfl.chain.rpc_errors import may_pass
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level, LogDecoder, Retracted
from bcfl.contracts.ids import Address

__all__ = ("BlockPump", "Sink")

Sink = Callable[[Delivery], Awaitable[None]]
"""Takes deliveries one by one; the next block waits for it."""

_UNAVAILABLE_ATTEMPTS = 30
_UNAVAILABLE_DELAY_S = 0.02
_UNAVAILABLE_LONGEST_DELAY_S = 1.0
_FAR = 512  # blocks behind what is long final, from which on it pays to ask for ranges
_PATIENCE_WITH_QUIET = (
    20  # a chain that is quiet once may make no empty blocks: then it is asked so much more seldom
)

_log = structlog.stdlib.get_logger("bcfl.chain.pump")


class BlockPump:
    """Delivers a node's blocks to one sink, each ``SEEN`` and later ``FINAL``, ``Retracted`` in between.

    Delivery is at least once: what the sink fails on is delivered again after a reconnect. Of a distant past, deeper than
    the window and the confirmations, only blocks with events are delivered, each ``SEEN`` and ``FINAL`` at once.

    Args:
        node: where blocks come from; reconnected by the pump alone.
        addresses: whose events are read; ``watch`` adds more.
        decoder: turns raw logs into typed events.
        start: the last block delivered in an earlier life, or the number of the first to deliver.
        confirmations: how deep a block is when it is ``FINAL``; 0: at once.
        window: headers remembered, and so the deepest reorganisation that can be undone.
        head_timeout_s: silence after which the node is asked whether there are new blocks; where there are none, later.
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
        self._distant = DistantBlocks(node=node, decoder=decoder)
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
        self._watches: dict[Address, int] = {}
        self._doorbell = Doorbell(node)
        self._progress = anyio.Event()
        self._located = False
        self._ended = False
        self._failure: Exception | None = None

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
            self._watches[address] = from_block
            self._doorbell.ring()

    def unwatch(self, address: Address) -> None:
        """Read this address no more; nothing happens for one that is not watched."""
        self._addresses.pop(address, None)
        self._watches.pop(address, None)

    @property
    def following_up(self) -> bool:
        """Whether an address that was added has events in delivered blocks that were not delivered yet."""
        return bool(self._watches)

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
                except NODE_LOST as lost:
                    if self._reconnect is None or not may_pass(lost):
                        raise
                    self._doorbell.lost()
                    await wait_for_node(self._node, lost, self._reconnect)
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._ended = True
            self._announce_progress()

    async def _session(self, sink: Sink) -> None:
        await self._doorbell.renew(
            self._addresses
        )  # before the first catch-up, so that no block falls between the two
        silent = False
        while True:
            delivered = self.delivered
            self._doorbell.listen()
            if not await self._follow_heads(sink):
                await self._catch_up(sink)
            if silent and self.delivered != delivered:
                _log.warning("subscriptions_silent", timeout_s=self._head_timeout_s)
                await self._doorbell.renew(self._addresses)
                silent = False
                continue
            patience = _PATIENCE_WITH_QUIET if silent else 1
            with anyio.move_on_after(self._head_timeout_s * patience) as silence:
                await self._doorbell.wait()
            silent = silence.cancelled_caught

    async def _follow_heads(self, sink: Sink) -> bool:
        """Deliver the blocks of announced heads that say nothing to us; whether that was all there was to do."""
        heads = self._doorbell.announced()
        if not heads or self._watches:
            return False
        for head in heads:
            if head.ref == self._window.tip:
                continue
            if self._window.tip is None or not self._window.links(head.ref):
                return False
            if any(may_contain(head.logs_bloom, address) for address in self._addresses):
                return False
            await self._deliver(Batch(block=head.ref, level=Level.SEEN, events=()), sink)
            if self._watches:
                return False
        return True

    async def _catch_up(self, sink: Sink) -> None:
        attempts = 0
        while True:
            if not self._located:
                await self._locate()
            await self._doorbell.cover(self._addresses)
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
                ) from (self._blocks.refusal or self._distant.refusal)
            await anyio.sleep(min(_UNAVAILABLE_DELAY_S * 2**attempts, _UNAVAILABLE_LONGEST_DELAY_S))

    async def _advance(self, head: int, sink: Sink) -> bool:
        """Deliver the next blocks up to the head; whether anything changed."""
        tip = self._window.tip
        first = 0 if tip is None else tip.number + 1
        wanted, distant = max(first, self._first), self._distant_from(head)
        if distant - wanted >= _FAR:
            return await self._leap(wanted, distant, sink)
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

    def _distant_from(self, newest: int) -> int:
        """The newest block of the distant past, seen from a block."""
        return newest - max(self._confirmations, self._window_size)

    async def _leap(self, first: int, last: int, sink: Sink) -> bool:
        """Deliver a range of the distant past, of at most the blocks from ``first`` to ``last``; whether anything changed."""
        tip = self._window.tip
        if tip is not None:
            found = await self._node.find_block(tip.number)
            if found is None or found.ref != tip:
                return await self._retract(sink)
            await self._promote(tip.number, sink)
            if self._final < tip.number:
                return False
        read = await self._distant.read(first, last, tuple(self._addresses))
        if read is None:
            return False
        end, batches = read
        for batch in batches:
            await sink(batch)
            await sink(Batch(block=batch.block, level=Level.FINAL, events=batch.events))
            self._stand_at(batch.block)
            if self._watches:
                return True  # an address was added after this range was read
        self._stand_at((await self._node.block(end)).ref)
        return True

    def _stand_at(self, block: BlockRef) -> None:
        self._window = HeaderWindow(size=self._window_size, headers=[block])
        self._final = block.number
        self.delivered += 1
        self._announce_progress()

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
            address = next(iter(self._watches))
            tip = self._window.tip
            while (
                tip is not None
                and (position := max(0, self._watches.get(address, tip.number + 1))) <= tip.number
            ):
                after, batches = await self._read_late(position, tip.number, address)
                for batch in batches:
                    if address not in self._watches:
                        break  # the sink wants no more of it
                    if batch.events:
                        await sink(batch)
                        self._unfinal.pop(batch.block.number, None)
                        if batch.block.number <= self._final:
                            await sink(Batch(block=batch.block, level=Level.FINAL, events=batch.events))
                    self._follow_up(address, batch.block.number + 1)
                if after is None:
                    return False
                self._follow_up(address, after)
            self._watches.pop(address, None)
            self._announce_progress()
        return True

    def _follow_up(self, address: Address, position: int) -> None:
        if address in self._watches:
            self._watches[address] = position

    async def _read_late(self, first: int, last: int, address: Address) -> tuple[int | None, list[Batch]]:
        """Some of an address's blocks, and the number after them; None where the chain moved after them."""
        distant = self._distant_from(last)
        if distant - first >= _FAR:
            found = await self._distant.read(first, distant, [address])
            return (None, []) if found is None else (found[0] + 1, found[1])
        numbers = range(first, min(last, first + PREFETCH - 1) + 1)
        batches: list[Batch] = []
        for number, batch in zip(numbers, await self._blocks.read_many(numbers, [address]), strict=True):
            if batch is None or self._window.at(number) not in {None, batch.block}:
                return None, batches
            batches.append(batch)
        return numbers[-1] + 1, batches

    async def _retract(self, sink: Sink, head: BlockRef | None = None) -> bool:
        """Take back what left the chain; whether anything did."""
        tip = self._window.tip
        if tip is None:
            return False
        fork = await find_fork(self._node, self._window, tip.number)
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

    async def _locate(self) -> None:
        """Remember the headers that lead to the start, so that a reorganisation below it can be undone too."""
        if isinstance(self._start, int):
            before = min(self._start - 1, await self._node.block_number())
            if before >= 0:
                headers = await headers_down_from(
                    self._node, (await self._node.block(before)).ref, self._window_size
                )
                self._window = HeaderWindow(size=self._window_size, headers=headers)
        elif self._recent:
            self._window = HeaderWindow(size=self._window_size, headers=self._recent)
            if self._window.tip != self._start:
                raise ValueError("The recent headers must end with the start.")
        else:
            headers = await headers_down_from(self._node, self._start, self._window_size)
            self._window = HeaderWindow(size=self._window_size, headers=headers)
        self._located = True
        self._announce_progress()

    def _announce_progress(self) -> None:
        self._progress.set()
        self._progress = anyio.Event()

    async def _next_progress(self) -> None:
        if self._ended:
            raise self._failure or PumpStopped
        await self._progress.wait()
