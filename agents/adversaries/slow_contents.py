# SPDX-License-Identifier: Apache-2.0
"""A content store some of whose contents come drop by drop, as from a peer that serves them on purpose slowly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import ContentId

__all__ = ("SlowContents",)

_DROPS = 20


class SlowContents:
    """A store as its readers meet it; all but the contents slowed down pass through unchanged.

    Args:
        store: where the contents are.
    """

    def __init__(self, store: ContentStore) -> None:
        self._store = store
        self._seconds: dict[ContentId, float] = {}

    def slow_down(self, content: ContentId, seconds: float) -> None:
        """Serve this content over so many seconds of wall time from now on."""
        self._seconds[content] = seconds

    async def put(self, data: bytes) -> ContentId:
        """Store and name."""
        return await self._store.put(data)

    async def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """Stream."""
        seconds = self._seconds.get(content)
        drop = max(1, content.size // _DROPS)
        async for chunk in self._store.get(content):
            if seconds is None:
                yield chunk
                continue
            for start in range(0, len(chunk), drop):
                await anyio.sleep(seconds * min(drop, len(chunk) - start) / max(1, content.size))
                yield chunk[start : start + drop]

    async def pin(self, content: ContentId) -> None:
        """Keep."""
        await self._store.pin(content)

    async def unpin(self, content: ContentId) -> None:
        """Let go."""
        await self._store.unpin(content)
