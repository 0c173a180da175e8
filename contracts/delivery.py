# SPDX-License-Identifier: Apache-2.0
"""How events arrive: whole blocks in order, first ``SEEN``, later ``FINAL``, and ``Retracted`` after a reorganisation."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Protocol

from bcfl.contracts.ids import Address, BlockHash, TxHash

__all__ = ("Batch", "BlockRef", "Delivery", "EventOrigin", "Level", "LogDecoder", "Retracted")


class Level(enum.IntEnum):
    """How sure a block is."""

    SEEN = 1
    """In the node's best chain: act on it where the act can be undone (train)."""

    FINAL = 2
    """As deep as the configured confirmations: act on it where the act cannot be undone (reveal, pay, prune)."""


@dataclass(frozen=True)
class BlockRef:
    """A block's place in the chain; ``timestamp`` in seconds."""

    number: int
    hash: BlockHash
    parent_hash: BlockHash
    timestamp: int


@dataclass(frozen=True)
class EventOrigin:
    """Where a log stands; (block hash, log index) is an event's identity."""

    block: BlockRef
    log_index: int
    transaction: TxHash
    address: Address


@dataclass(frozen=True)
class Batch:
    """All events of one block, by log index; possibly none."""

    block: BlockRef
    level: Level
    events: tuple[Any, ...]


@dataclass(frozen=True)
class Retracted:
    """Blocks that left the chain, newest first; their events did not happen."""

    blocks: tuple[BlockRef, ...]


Delivery = Batch | Retracted


class LogDecoder(Protocol):
    """Turns one raw log into typed events (``contracts.abi`` has the real one)."""

    def __call__(self, *, origin: EventOrigin, topics: tuple[bytes, ...], data: bytes) -> tuple[Any, ...]:
        """The events a log stands for, in order; none for a log that is not ours."""
        ...
