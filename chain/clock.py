# SPDX-License-Identifier: Apache-2.0
"""Chain time: the clock that contracts see, which is the newest block's timestamp and not the wall's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import anyio
import anyio.lowlevel

from bcfl.contracts.delivery import BlockRef

__all__ = ("ChainClock", "DrivenChainClock", "WallChainClock")


class ChainClock(Protocol):
    """Chain time in seconds."""

    def now(self) -> int:
        """Timestamp of the newest block seen; 0 before the first."""
        ...

    def observe(self, block: BlockRef) -> None:
        """Called by the process for each block it sees, in order."""
        ...

    async def sleep_until(self, timestamp: int) -> None:
        """Return when a transaction sent now would stand in a block of that timestamp or later."""
        ...


class DrivenChainClock:
    """Chain time that a driver moves: sleepers wake when a block has reached their timestamp.

    They wake in the order of their timestamps and, within one, of falling asleep.
    """

    def __init__(self) -> None:
        self._now = 0
        self._asleep: dict[int, tuple[int, anyio.Event]] = {}
        self._slept = 0

    @property
    def sleepers(self) -> int:
        """How many are asleep."""
        return len(self._asleep)

    def now(self) -> int:
        """Timestamp of the newest block seen; 0 before the first."""
        return self._now

    def next_wake(self) -> int | None:
        """The earliest timestamp that somebody sleeps for: where the driver may move time to."""
        return min((timestamp for timestamp, _ in self._asleep.values()), default=None)

    def observe(self, block: BlockRef) -> None:
        """Take the block's time and wake whoever waited for it."""
        self._now = block.timestamp
        due = sorted(
            (timestamp, key) for key, (timestamp, _) in self._asleep.items() if timestamp <= self._now
        )
        for _, key in due:
            # out of the register at once, so that next_wake never names a time that has come
            self._asleep.pop(key)[1].set()

    async def sleep_until(self, timestamp: int) -> None:
        """Return when a block of that timestamp or later was seen."""
        if timestamp <= self._now:
            await anyio.lowlevel.checkpoint()
            return
        self._slept += 1
        key, woken = self._slept, anyio.Event()
        self._asleep[key] = (timestamp, woken)
        try:
            await woken.wait()
        finally:
            self._asleep.pop(key, None)


class WallChainClock:
    """Chain time that passes by itself: real deadlines on interval-mined or public chains.

    Between blocks chain time is taken to run as the wall does, from the newest block seen. That estimate is
    behind the truth by the block's way to us, so a sleeper wakes a little late and never early.

    Args:
        monotonic: the wall, in seconds from any origin.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._newest: tuple[int, float] | None = None
        self._changed = anyio.Event()

    def now(self) -> int:
        """Timestamp of the newest block seen; 0 before the first."""
        return 0 if self._newest is None else self._newest[0]

    def observe(self, block: BlockRef) -> None:
        """Take the block's time; sleepers look again at what remains."""
        self._newest = (block.timestamp, self._monotonic())
        self._changed.set()
        self._changed = anyio.Event()

    async def sleep_until(self, timestamp: int) -> None:
        """Return when chain time has reached the timestamp, by a block seen or by the wall since.

        Before the first block is seen nothing is known about chain time, and it waits for one.
        """
        await anyio.lowlevel.checkpoint()
        while True:
            changed = self._changed
            if self._newest is None:
                await changed.wait()
                continue
            seen, at = self._newest
            remaining = timestamp - (seen + self._monotonic() - at)
            if remaining <= 0:
                return
            with anyio.move_on_after(remaining):
                await changed.wait()
