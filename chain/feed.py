# SPDX-License-Identifier: Apache-2.0
"""Fans one pump's deliveries out to the agents of a process; nobody slow holds up anybody else.

An inbox is bounded. When it overflows it is emptied, and the subscriber gets one ``Behind`` and then nothing until
it asks for a re-read: the log is on the chain, so nothing is lost. A re-read is pulled by the subscriber, block by
block, and joins the live deliveries in the instant in which it has caught up, without gap or duplicate.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import anyio
import anyio.lowlevel

from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level, Retracted
from bcfl.contracts.ids import Address

__all__ = ("Behind", "Feed", "FeedStatistics", "History", "Subscription", "SubscriptionStatistics")

_REMEMBERED = 256  # blocks a subscriber took: as deep as the pump undoes reorganisations, as a rule


class History(Protocol):
    """Where blocks are read again; the block pump is one."""

    async def read(self, number: int) -> Batch | None:
        """The whole block of that number, as ``SEEN``; None where it was retracted."""
        ...


@dataclass(frozen=True)
class Behind:
    """The inbox overflowed: nothing more comes until ``Feed.reread``.

    ``since`` is the newest block whose batch the subscriber took, not counting what it was told to be retracted;
    None: none, as far back as the feed remembers.
    """

    since: BlockRef | None


@dataclass(frozen=True, kw_only=True)
class SubscriptionStatistics:
    """One inbox."""

    name: str
    depth: int
    capacity: int
    received: int
    overflows: int
    rereading: bool


@dataclass(frozen=True, kw_only=True)
class FeedStatistics:
    """All inboxes, and what is kept for re-reads."""

    deliveries: int
    retained_blocks: int
    retained_events: int
    subscriptions: tuple[SubscriptionStatistics, ...]


class Subscription(AsyncIterator["Delivery | Behind"]):
    """One subscriber's deliveries; ``Feed.subscribe`` makes one. Iterated by one task."""

    def __init__(self, feed: Feed, name: str, addresses: frozenset[Address] | None, capacity: int) -> None:
        self.name = name
        self.addresses = addresses
        self.capacity = capacity
        self._feed = feed
        self._inbox: deque[Delivery | Behind] = deque()
        self._changed = anyio.Event()
        self._closed = False
        self._received = 0
        self._overflows = 0
        self._silenced = False  # behind, and a re-read was not asked for yet
        self._position: int | None = None  # next block of a re-read; None: live
        self._final_position = 0  # next block of a re-read to be told as FINAL
        self._floor = 0  # the first block that concerns this subscriber
        self._taken: deque[BlockRef] = deque(maxlen=_REMEMBERED)
        self._reached = -1  # number of the newest block the subscriber counts as having happened
        self._finalised = feed.final  # number of the newest block it took as FINAL, or need not be told
        self._owed: list[BlockRef] = []  # blocks it took that have left the chain while it was behind

    @property
    def since(self) -> BlockRef | None:
        """The newest block whose ``SEEN`` batch was taken and not retracted since."""
        return self._taken[-1] if self._taken else None

    async def __anext__(self) -> Delivery | Behind:
        """The next delivery, or that the subscriber is behind."""
        while True:
            if self._inbox:
                item = self._inbox.popleft()
                self._took(item)
                return item
            if self._closed:
                raise StopAsyncIteration
            changed = self._changed
            if self._position is None or not await self._replay(self._position):
                await changed.wait()

    def statistics(self) -> SubscriptionStatistics:
        """The inbox now."""
        return SubscriptionStatistics(
            name=self.name,
            depth=len(self._inbox),
            capacity=self.capacity,
            received=self._received,
            overflows=self._overflows,
            rereading=self._position is not None,
        )

    def close(self) -> None:
        """Receive nothing more; what is in the inbox can still be taken."""
        self._closed = True
        self._feed.forget(self)
        self._wake()

    def offer(self, delivery: Delivery) -> None:
        """Called by the feed: put a live delivery in the inbox, as far as this subscriber is to get it now."""
        if isinstance(delivery, Batch) and delivery.block.number < self._floor:
            return
        if self._silenced:
            self._owe(delivery)
        elif self._position is None:
            self._put(delivery)
        else:
            self._offer_rereading(delivery, self._position)
        self._wake()

    def stir(self, delivery: Delivery) -> None:
        """Called by the feed: the chain went on, though not with anything of interest."""
        if self._position is not None:
            self._wake()
        elif isinstance(delivery, Batch) and not self._inbox and not self._silenced:
            self._passed(delivery)

    def restart(self, from_block: int, final_from: int | None) -> None:
        """Called by the feed: take everything from this block on, from history and then live."""
        self._drop_inbox()
        if self._owed:
            owed = tuple(self._owed)
            self._owed.clear()
            from_block = min(from_block, owed[-1].number)
            self._inbox.append(Retracted(blocks=owed))
            self._reached = owed[0].number  # owed again should this be dropped too
        self._silenced = False
        self._position = from_block
        if final_from is not None:
            self._final_position = final_from
        elif self._reached < 0:
            self._final_position = from_block
        else:  # what it took and was not told to be final before the inbox overflowed
            self._final_position = min(self._finalised + 1, from_block)
        self._floor = min(self._final_position, from_block)
        self._wake()

    async def _replay(self, position: int) -> bool:
        """Take one step of a re-read; False: wait for the chain."""
        final_position = self._final_position
        if self._final_due(position):
            number, level = final_position, Level.FINAL
        elif self._feed.newest is not None and position <= self._feed.newest:
            number, level = position, Level.SEEN
        else:
            self._join()
            return False
        batch = await self._feed.history_of(number)
        if (self._position, self._final_position) != (position, final_position):
            return True  # retracted or restarted meanwhile: look again
        if batch is None:
            return False  # what overtook the read has woken us, or the retraction will
        levels = [level]
        if level is Level.SEEN:
            self._position = number + 1
            if number == final_position and number <= self._feed.final:
                levels.append(Level.FINAL)
        if levels[-1] is Level.FINAL:
            self._final_position = number + 1
        for told_as in levels:
            told = Batch(block=batch.block, level=told_as, events=batch.events)
            interesting = self._feed.narrowed(told, self.addresses)
            if interesting is None:
                self._passed(told)
            else:
                self._inbox.append(interesting)
        self._join()
        return True

    def _final_due(self, position: int) -> bool:
        return self._final_position < position and self._final_position <= self._feed.final

    def _join(self) -> None:
        # in the same instant as the last step of the re-read, so that nothing falls between
        position, newest = self._position, self._feed.newest
        if (
            position is not None
            and newest is not None
            and position == newest + 1
            and not self._final_due(position)
        ):
            self._position = None

    def _offer_rereading(self, delivery: Delivery, position: int) -> None:
        if isinstance(delivery, Batch):
            # what stands from the positions on is still to be read from history
            told = position if delivery.level is Level.SEEN else self._final_position
            if delivery.block.number < told:
                self._put(delivery)
            return
        behind = tuple(block for block in delivery.blocks if block.number < position)
        if behind:
            self._put(Retracted(blocks=behind))
            if self._position is not None:
                self._position = behind[-1].number
                self._final_position = min(self._final_position, self._position)

    def _put(self, delivery: Delivery) -> None:
        if len(self._inbox) < self.capacity:
            self._inbox.append(delivery)
            return
        self._overflows += 1
        self._drop_inbox()
        self._owe(delivery)
        self._silenced = True
        self._position = None
        self._inbox.append(Behind(since=self.since))

    def _drop_inbox(self) -> None:
        for item in self._inbox:
            self._owe(item)
        self._inbox.clear()

    def _owe(self, delivery: Delivery | Behind) -> None:
        if isinstance(delivery, Retracted):
            taken = [block for block in delivery.blocks if block.number <= self._reached]
            if taken:
                self._owed.extend(taken)
                self._reached = taken[-1].number - 1

    def _took(self, item: Delivery | Behind) -> None:
        self._received += 1
        if isinstance(item, Batch):
            self._passed(item)
            if item.level is Level.SEEN and (self.since is None or item.block.number > self.since.number):
                self._taken.append(item.block)
        elif isinstance(item, Retracted):
            fork = item.blocks[-1].number - 1
            self._reached = min(self._reached, fork)
            while self._taken and self._taken[-1].number > fork:
                self._taken.pop()

    def _passed(self, batch: Batch) -> None:
        if batch.level is Level.SEEN:
            self._reached = max(self._reached, batch.block.number)
        else:
            self._finalised = max(self._finalised, batch.block.number)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Feed:
    """Takes a pump's deliveries (``pump.run(feed.deliver)``) and hands each subscriber those it is interested in.

    Args:
        history: where blocks are read again that are no longer kept here.
        retained_events: how many events of the newest blocks are kept for re-reads.
    """

    def __init__(self, *, history: History, retained_events: int = 50_000) -> None:
        self.newest: int | None = None
        """Number of the newest block delivered as ``SEEN``."""
        self.final = -1
        """Number of the newest block delivered as ``FINAL``."""
        self._history = history
        self._retained: OrderedDict[int, Batch] = OrderedDict()
        self._retained_events = 0
        self._most_retained = retained_events
        self._subscriptions: dict[Subscription, None] = {}
        self._deliveries = 0
        self._turn = (
            0  # counts what makes a block read before stale, so that a read it overtook is thrown away
        )

    def subscribe(
        self, name: str, *, addresses: frozenset[Address] | None, capacity: int = 64
    ) -> Subscription:
        """Receive what is delivered from now on; ``reread`` adds the past.

        Args:
            name: for the statistics.
            addresses: events of these emitters, in batches that hold any; None: every block whole, also without
                events. ``Retracted`` comes either way.
            capacity: deliveries that wait before the subscriber counts as behind.
        """
        subscription = Subscription(self, name, addresses, capacity)
        self._subscriptions[subscription] = None
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Deliver nothing more to it."""
        self._subscriptions.pop(subscription, None)

    async def reread(
        self, subscription: Subscription, from_block: int, *, final_from: int | None = None
    ) -> None:
        """Deliver everything from this block on, first from history, then live, without gap or duplicate.

        Batches that the subscriber took and that left the chain while it was behind come first, as ``Retracted``;
        the re-read then starts below them, whatever ``from_block`` says.

        Args:
            subscription: of this feed.
            from_block: the first block wanted as ``SEEN``.
            final_from: the first block wanted as ``FINAL``, for a subscriber that took earlier blocks in an
                earlier life; None: what this subscription has not told yet.
        """
        subscription.restart(from_block, final_from)
        await anyio.lowlevel.checkpoint()

    async def deliver(self, delivery: Delivery) -> None:
        """The pump's sink: never waits for a subscriber."""
        self._deliveries += 1
        if isinstance(delivery, Retracted):
            self._turn += 1
            for block in delivery.blocks:
                self._release(block.number)
            self.newest = delivery.blocks[-1].number - 1
            self.final = min(self.final, self.newest)
        elif delivery.level is Level.SEEN:
            self._retain(delivery)
            self.newest = (
                delivery.block.number if self.newest is None else max(self.newest, delivery.block.number)
            )
        else:
            self.final = max(self.final, delivery.block.number)
        narrowed: dict[frozenset[Address] | None, Delivery | None] = {}
        for subscription in tuple(self._subscriptions):
            interest = subscription.addresses
            if interest not in narrowed:
                narrowed[interest] = self.narrowed(delivery, interest)
            wanted = narrowed[interest]
            if wanted is not None:
                subscription.offer(wanted)
            else:
                subscription.stir(delivery)
        await anyio.lowlevel.checkpoint()

    async def history_of(self, number: int) -> Batch | None:
        """A block delivered before, from memory or the chain; None where a retraction overtook the read."""
        kept = self._retained.get(number)
        if kept is not None:
            await anyio.lowlevel.checkpoint()
            return kept if self._retained.get(number) is kept else None
        turn = self._turn
        batch = await self._history.read(number)
        return batch if turn == self._turn else None

    def narrowed(self, delivery: Delivery, addresses: frozenset[Address] | None) -> Delivery | None:
        """The delivery with these emitters' events only; None where a batch holds none."""
        if addresses is None or isinstance(delivery, Retracted):
            return delivery
        events = tuple(event for event in delivery.events if event.origin.address in addresses)
        if len(events) == len(delivery.events):
            return delivery if events else None
        return Batch(block=delivery.block, level=delivery.level, events=events) if events else None

    def statistics(self) -> FeedStatistics:
        """Depths and counts now."""
        return FeedStatistics(
            deliveries=self._deliveries,
            retained_blocks=len(self._retained),
            retained_events=self._retained_events,
            subscriptions=tuple(subscription.statistics() for subscription in self._subscriptions),
        )

    def _retain(self, batch: Batch) -> None:
        number = batch.block.number
        if self.newest is not None and number <= self.newest:
            # an address added late: memory has only a part of the block now, the chain has all of it
            self._turn += 1
            self._release(number)
            return
        self._retained[number] = batch
        self._retained_events += 1 + len(batch.events)
        while self._retained_events > self._most_retained:
            self._release(next(iter(self._retained)))

    def _release(self, number: int) -> None:
        batch = self._retained.pop(number, None)
        if batch is not None:
            self._retained_events -= 1 + len(batch.events)
