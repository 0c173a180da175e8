# SPDX-License-Identifier: Apache-2.0
"""Whether anybody in this process still has something to do: all that a clock driver gets to see of agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.lowlevel

__all__ = ("Activity", "Bell")

_TURNS = 3  # a task is started, registers itself, and is cancelled: one turn each


class Activity:
    """Counts what is under way: rung bells, handlers, works, deliveries."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = anyio.Event()
        self._idle.set()

    @property
    def depth(self) -> int:
        """How much is under way."""
        return self._count

    def enter(self) -> None:
        """One more."""
        if self._count == 0:
            self._idle = anyio.Event()
        self._count += 1

    def leave(self) -> None:
        """One less."""
        self._count -= 1
        if self._count == 0:
            self._idle.set()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Busy for the length of the block."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    async def idle(self) -> None:
        """Return when nothing is under way, and nothing that was just started has anything to say either.

        A sleeper that an answered bell set, or cancelled, is on the clock's register a few turns of the loop
        later: a driver that looked before would move time to a deadline that nobody waits for any more.
        """
        while True:
            while self._count:
                await self._idle.wait()
            for _ in range(_TURNS):
                await anyio.lowlevel.checkpoint()
            if not self._count:
                return


class Bell:
    """An inbox of depth one: however often it rings, its owner looks once at all there is.

    What an agent decides depends on the chronicle and its own results, not on single events, so nothing is
    lost where a slow agent hears many blocks as one ring.
    """

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._rung = anyio.Event()
        self._muffled = False

    def ring(self) -> None:
        """Ask the owner to look; until it has, the process is busy."""
        if not self._rung.is_set() and not self._muffled:
            self._activity.enter()
            self._rung.set()

    async def wait(self) -> None:
        """Return when it has rung; the owner calls ``answered`` once it has acted."""
        await self._rung.wait()
        if self._muffled:  # it rang before it was muffled, and nobody waits for an answer any more
            await anyio.sleep_forever()
        self._rung = anyio.Event()

    def answered(self) -> None:
        """What it rang for is done."""
        self._activity.leave()

    def muffle(self) -> None:
        """Its owner is gone: nobody will look, and nobody waits for that."""
        self._muffled = True
        if self._rung.is_set():
            self._activity.leave()
