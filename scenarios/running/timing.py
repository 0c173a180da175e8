# SPDX-License-Identifier: Apache-2.0
"""Wall seconds in which work was under way: intervals that overlap count once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from bcfl.contracts.ids import ContentId
from bcfl.storage.opening import ContentStore

__all__ = ("Stopwatch", "TimedStore")


class Stopwatch:
    """Runs while at least one piece of work does."""

    def __init__(self) -> None:
        self._running = 0
        self._since = 0.0
        self._past = 0.0

    @property
    def seconds(self) -> float:
        """So far."""
        return self._past + (time.perf_counter() - self._since if self._running else 0.0)

    def start(self) -> None:
        """A piece of work begins."""
        if self._running == 0:
            self._since = time.perf_counter()
        self._running += 1

    def stop(self) -> None:
        """It is over."""
        self._running -= 1
        if self._running == 0:
            self._past += time.perf_counter() - self._since


class TimedStore:
    """A content store with a stopwatch on it."""

    def __init__(self, store: ContentStore) -> None:
        self._store = store
        self.watch = Stopwatch()

    async def put(self, data: bytes) -> ContentId:
        """Store and name."""
        self.watch.start()
        try:
            return await self._store.put(data)
        finally:
            self.watch.stop()

    async def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """Stream."""
        self.watch.start()
        try:
            async for chunk in self._store.get(content):
                yield chunk
        finally:
            self.watch.stop()

    async def pin(self, content: ContentId) -> None:
        """Keep."""
        self.watch.start()
        try:
            await self._store.pin(content)
        finally:
            self.watch.stop()

    async def unpin(self, content: ContentId) -> None:
        """Let go."""
        self.watch.start()
        try:
            await self._store.unpin(content)
        finally:
            self.watch.stop()
