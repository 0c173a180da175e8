# SPDX-License-Identifier: Apache-2.0
"""Situations in storage.

Every class has a stable ``reason``: the slug that events, reports and rejections carry::

    StorageError
    ├── InvalidLocation          invalid_location   the words given do not name a store
    ├── MalformedContentId       malformed_cid      a text is not a CID that this project makes
    ├── StoreUnreachable         unreachable        the store does not answer: says nothing about the content
    ├── StoreFull                full               the disk of the store takes no more
    ├── StoreRefused             refused            the store answers, but not with what was asked of it
    └── FetchError               unfetched          the content did not come as its id promises
        ├── ContentOversize      oversize           its size on chain is above the cap; nothing was read
        ├── ContentNotFound      unavailable        the store answers and does not have it
        ├── FetchTimedOut        slow               it had not arrived at the deadline
        ├── ContentTruncated     truncated          fewer bytes than its size
        ├── ContentOverlong      overlong           more bytes than its size
        └── WrongDigest          wrong_digest       as many bytes as its size, but other ones

``FetchError`` speaks against the content as it was offered; ``StoreUnreachable`` and ``StoreRefused`` are about the
own store and never count against a member.
"""

from __future__ import annotations

from typing import ClassVar

from bcfl.errors import StorageError

__all__ = (
    "ContentNotFound",
    "ContentOverlong",
    "ContentOversize",
    "ContentTruncated",
    "FetchError",
    "FetchTimedOut",
    "InvalidLocation",
    "MalformedContentId",
    "StoreFull",
    "StoreRefused",
    "StoreUnreachable",
    "WrongDigest",
)


class InvalidLocation(StorageError):
    """This kind and location do not name a content store."""

    reason: ClassVar[str] = "invalid_location"


class MalformedContentId(StorageError):
    """The text is not a CIDv1 in lower-case base32 with codec raw or dag-pb and a sha2-256 digest."""

    reason: ClassVar[str] = "malformed_cid"


class StoreFull(StorageError):
    """The disk that the content store is on is full; make room, or name another location."""

    precedence = 0
    reason: ClassVar[str] = "full"


class StoreUnreachable(StorageError):
    """The content store does not answer; check that it runs and that its location is right."""

    reason: ClassVar[str] = "unreachable"


class StoreRefused(StorageError):
    """The content store answered with something other than what was asked of it."""

    reason: ClassVar[str] = "refused"


class FetchError(StorageError):
    """A content did not come as its id promises."""

    reason: ClassVar[str] = "unfetched"


class ContentOversize(FetchError):
    """The content is larger than what is accepted here, so nothing of it was read."""

    reason: ClassVar[str] = "oversize"


class ContentNotFound(FetchError):
    """The store does not have the content."""

    reason: ClassVar[str] = "unavailable"


class FetchTimedOut(FetchError):
    """The content had not arrived at the deadline."""

    reason: ClassVar[str] = "slow"


class ContentTruncated(FetchError):
    """The content ended before its declared size."""

    reason: ClassVar[str] = "truncated"


class ContentOverlong(FetchError):
    """The content went on past its declared size."""

    reason: ClassVar[str] = "overlong"


class WrongDigest(FetchError):
    """The bytes that came are not those of the content id."""

    reason: ClassVar[str] = "wrong_digest"
