# SPDX-License-Identifier: Apache-2.0
"""The one way to read a content that somebody else named: capped, timed and checked.

A content id on chain is a claim by a stranger. Its size is compared with the cap before anything is read, the bytes
are counted while they stream, the deadline covers the whole, and the digest decides. What comes back is authentic,
not yet well-formed: ``models.wire`` parses it.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Protocol

import anyio

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import ContentHasher, cid_text
from bcfl.storage.errors import ContentOverlong, ContentOversize, ContentTruncated, FetchTimedOut, WrongDigest

__all__ = ("ContentSource", "fetch")

_CLOSE_S = 2.0


class ContentSource(Protocol):
    """What fetching needs of a store."""

    def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """The bytes of a content in chunks of at most 1 MiB."""
        ...


async def fetch(store: ContentSource, content: ContentId, *, max_bytes: int, deadline_s: float) -> bytes:
    """The bytes that a content id names, and no others.

    Memory stays below the content's size and one chunk: a wrong or endless answer is dropped at the first byte too many.

    Args:
        store: where to look.
        content: digest and size, as the chain has them.
        max_bytes: the largest size accepted.
        deadline_s: seconds of wall time for the whole.

    Raises:
        ContentOversize: the declared size is above ``max_bytes``; the store was not asked.
        ContentNotFound: the store does not have it.
        FetchTimedOut: the deadline passed.
        ContentTruncated: fewer bytes came than declared.
        ContentOverlong: more bytes came than declared.
        WrongDigest: other bytes came.
        StoreUnreachable: the store does not answer.
        StoreRefused: the store answers with something else.
    """
    if content.size > max_bytes:
        raise ContentOversize(
            f"The content {cid_text(content)} declares {content.size} bytes; at most {max_bytes} are accepted."
        )
    try:
        with anyio.fail_after(deadline_s):
            data, found = await _read(store, content)
    except TimeoutError as error:
        raise FetchTimedOut(
            f"The content {cid_text(content)} had not arrived after {deadline_s:g} s."
        ) from error
    if len(data) < content.size:
        raise ContentTruncated(
            f"The content {cid_text(content)} ended after {len(data)} of {content.size} bytes."
        )
    if found.digest != content.digest:
        raise WrongDigest(f"The store answered {cid_text(content)} with the bytes of {cid_text(found)}.")
    return data


async def _read(store: ContentSource, content: ContentId) -> tuple[bytes, ContentId]:
    hasher = ContentHasher()
    buffer = io.BytesIO()
    if content.size:
        # Room for all of it at once; and getvalue() below gives this very buffer away, where joining
        # chunks or bytes(bytearray) would hold a second copy.
        buffer.seek(content.size - 1)
        buffer.write(b"\0")
        buffer.seek(0)
    stream = store.get(content)
    try:
        async for chunk in stream:
            if buffer.tell() + len(chunk) > content.size:
                raise ContentOverlong(
                    f"The content {cid_text(content)} goes on past its {content.size} bytes."
                )
            hasher.update(chunk)
            buffer.write(chunk)
    finally:
        # A generator left half-read keeps its connection until somebody closes it.
        if (aclose := getattr(stream, "aclose", None)) is not None:
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await aclose()
    buffer.truncate()
    return buffer.getvalue(), hasher.finish()
