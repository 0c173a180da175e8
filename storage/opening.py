# SPDX-License-Identifier: Apache-2.0
"""From the words of a scenario or a command line to an open content store."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Literal, Protocol

import anyio

from bcfl.contracts.ids import ContentId
from bcfl.storage.directory import DirectoryStore
from bcfl.storage.errors import InvalidLocation
from bcfl.storage.memory import MemoryStore

__all__ = ("ContentStore", "StoreKind", "open_store")

_CLOSE_S = 5.0

StoreKind = Literal["memory", "directory", "kubo"]


class ContentStore(Protocol):
    """What every adapter offers; the same bytes have the same id in all of them."""

    @property
    def kind(self) -> str:
        """``memory``, ``directory`` or ``kubo``."""
        ...

    @property
    def location(self) -> str:
        """Where it is, for people: a path or an address."""
        ...

    async def put(self, data: bytes) -> ContentId:
        """Keep bytes, pinned, and name them."""
        ...

    def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """The bytes of a content in chunks of at most 1 MiB; of a stranger's content, use ``fetch`` instead."""
        ...

    async def pin(self, content: ContentId) -> None:
        """Keep a content that the store has."""
        ...

    async def unpin(self, content: ContentId) -> None:
        """Let the store remove a content when it collects."""
        ...

    async def has(self, content: ContentId) -> bool:
        """Whether the store has the content without asking elsewhere."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and memory."""
        ...


@contextlib.asynccontextmanager
async def open_store(kind: StoreKind, location: str | None = None) -> AsyncIterator[ContentStore]:
    """An open store of a kind, closed on leaving.

    Args:
        kind: ``memory`` (no location), ``directory`` (a path) or ``kubo`` (an RPC address, by default that of a
            node on this machine).
        location: as the kind says.

    Raises:
        InvalidLocation: the kind does not exist or cannot take this location.
        StoreUnreachable: the Kubo node does not answer.
        StoreRefused: what answers is not a Kubo node.
    """
    store = await _build(kind, location)
    try:
        yield store
    finally:
        with anyio.move_on_after(_CLOSE_S, shield=True):
            await store.aclose()


async def _build(kind: str, location: str | None) -> ContentStore:
    if kind == "memory":
        if location is not None:
            raise InvalidLocation(f"A store in memory has no location; '{location}' was given.")
        return MemoryStore()
    if kind == "directory":
        if not location:
            raise InvalidLocation("A store in a directory needs the path of that directory as its location.")
        return DirectoryStore(location)
    if kind == "kubo":
        # aioipfs takes 0.5 s to import: only those who use it wait for it.
        from bcfl.storage.kubo import DEFAULT_KUBO_LOCATION, KuboStore

        store = KuboStore(location or DEFAULT_KUBO_LOCATION)
        try:
            await store.version()
        except BaseException:
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await store.aclose()
            raise
        return store
    raise InvalidLocation(
        f"There is no content store of kind '{kind}'; there are memory, directory and kubo."
    )
