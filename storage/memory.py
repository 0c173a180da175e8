# SPDX-License-Identifier: Apache-2.0
"""A content store in the memory of one process: for tests and for scenarios that leave no files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import anyio.lowlevel
import anyio.to_thread

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import LEAF_BYTES, cid_text, content_id
from bcfl.storage.errors import ContentNotFound

__all__ = ("MemoryStore",)


class MemoryStore:
    """Contents in a dictionary; what is put is pinned until it is unpinned."""

    kind: ClassVar[str] = "memory"
    location: str = "memory"

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._pinned: set[str] = set()

    async def put(self, data: bytes) -> ContentId:
        """Keep bytes, pinned, and name them; putting them again changes nothing."""
        # 1 MiB hashes in about 1 ms: longer ones would hold up the event loop.
        content = (
            content_id(data) if len(data) <= LEAF_BYTES else await anyio.to_thread.run_sync(content_id, data)
        )
        self._contents[cid_text(content)] = data
        self._pinned.add(cid_text(content))
        return content

    async def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """The bytes of a content in chunks of at most 1 MiB.

        Raises:
            ContentNotFound: it is not here.
        """
        await anyio.lowlevel.checkpoint()
        data = self._find(content)
        for start in range(0, len(data), LEAF_BYTES):
            yield data[start : start + LEAF_BYTES]
            await anyio.lowlevel.checkpoint()

    async def pin(self, content: ContentId) -> None:
        """Keep a content through ``collect``.

        Raises:
            ContentNotFound: it is not here.
        """
        self._find(content)
        self._pinned.add(cid_text(content))

    async def unpin(self, content: ContentId) -> None:
        """Let ``collect`` remove a content; one that is not pinned stays so."""
        self._pinned.discard(cid_text(content))

    async def has(self, content: ContentId) -> bool:
        """Whether the content is here."""
        return cid_text(content) in self._contents

    async def collect(self) -> int:
        """Remove every content that is not pinned; how many they were."""
        loose = self._contents.keys() - self._pinned
        for name in loose:
            del self._contents[name]
        return len(loose)

    async def aclose(self) -> None:
        """Drop everything."""
        self._contents.clear()
        self._pinned.clear()

    def _find(self, content: ContentId) -> bytes:
        try:
            return self._contents[cid_text(content)]
        except KeyError:
            raise ContentNotFound(f"The store in memory does not have {cid_text(content)}.") from None
