# SPDX-License-Identifier: Apache-2.0
"""Values that name things: addresses, hashes, members, contents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

__all__ = ("ZERO_ADDRESS", "Address", "BlockHash", "ContentId", "TrainerIndex", "TxHash")

Address = NewType("Address", str)
"""A 20-byte account or contract address, EIP-55 checksummed, with ``0x``."""

BlockHash = NewType("BlockHash", str)
"""A 32-byte block hash, lower-case hexadecimal with ``0x``."""

TxHash = NewType("TxHash", str)
"""A 32-byte transaction hash, lower-case hexadecimal with ``0x``."""

TrainerIndex = NewType("TrainerIndex", int)
"""A member's dense index in one task; never reused."""

ZERO_ADDRESS = Address("0x0000000000000000000000000000000000000000")


@dataclass(frozen=True, order=True)
class ContentId:
    """What a content is called on chain: the sha2-256 digest of its UnixFS root block, and its size in bytes.

    The two together give the CID text (``storage.content_id``): up to 1 MiB the root block is the bytes
    themselves, above it a dag-pb node over 1 MiB raw leaves.
    """

    digest: bytes
    size: int

    def __post_init__(self) -> None:
        if len(self.digest) != 32 or self.size < 0:
            raise ValueError(f"A content id is 32 bytes and a size, not {self.digest!r} and {self.size!r}.")

    def __str__(self) -> str:
        return f"{self.digest.hex()}:{self.size}"
