# SPDX-License-Identifier: Apache-2.0
"""The signed transactions of a journal: one row an action, written before the node sees the bytes.

A row starts ``pending``, becomes ``sent`` once the bytes may be on the network, then ``included`` or
``failed``. A reorganisation takes it back to ``sent``. The functions here run inside the journal's
transaction and thread; ``Journal`` is their only caller.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bcfl.contracts.ids import Address, BlockHash, TxHash

__all__ = (
    "TABLE",
    "ActionKey",
    "OutboxEntry",
    "OutboxStatus",
    "at",
    "blocks",
    "forget",
    "of_sender",
    "put",
    "reopen",
)

TABLE = """
CREATE TABLE outbox (
    agent TEXT NOT NULL, task TEXT NOT NULL, round INTEGER NOT NULL, action TEXT NOT NULL,
    sender TEXT NOT NULL, nonce INTEGER NOT NULL, raw BLOB NOT NULL, hash TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'sent', 'included', 'failed')),
    replaced TEXT NOT NULL, block_number INTEGER, block_hash TEXT,
    PRIMARY KEY (agent, task, round, action)
) WITHOUT ROWID;
CREATE INDEX outbox_open ON outbox (sender) WHERE status IN ('pending', 'sent');
CREATE INDEX outbox_block ON outbox (block_hash) WHERE block_hash IS NOT NULL;
"""
_COLUMNS = "agent, task, round, action, sender, nonce, raw, hash, status, replaced, block_number, block_hash"


@dataclass(frozen=True, order=True)
class ActionKey:
    """What makes an effect one: this agent's this action in this round of this task."""

    agent: str
    task: str
    round: int
    action: str


class OutboxStatus(enum.Enum):
    """Where a signed transaction stands."""

    PENDING = "pending"
    """Signed and durable, never sent by the process that signed it."""

    SENT = "sent"
    """May be on the network: accepted by the node, or the answer was lost."""

    INCLUDED = "included"
    """In a block, and it did what it was for."""

    FAILED = "failed"
    """Refused for good, or reverted in a block; the action may be tried again."""


@dataclass(frozen=True, kw_only=True)
class OutboxEntry:
    """One action's transaction.

    Attributes:
        raw: the signed bytes; sending them again is idempotent.
        replaced: hashes of earlier bytes for the same action that may still be mined instead, oldest first.
        block: number and hash of the block that holds it.
    """

    key: ActionKey
    sender: Address
    nonce: int
    raw: bytes
    hash: TxHash
    status: OutboxStatus = OutboxStatus.PENDING
    replaced: tuple[TxHash, ...] = ()
    block: tuple[int, BlockHash] | None = None

    @property
    def hashes(self) -> tuple[TxHash, ...]:
        """Every hash under which the action may be found on chain, newest first."""
        return (self.hash, *reversed(self.replaced))


def put(connection: sqlite3.Connection, entries: Iterable[OutboxEntry]) -> None:
    """Write the rows as they are now, replacing those of the same actions."""
    connection.executemany(
        f"INSERT OR REPLACE INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        [
            (
                *_identity(entry.key),
                entry.sender,
                entry.nonce,
                entry.raw,
                entry.hash,
                entry.status.value,
                " ".join(entry.replaced),
                *(entry.block or (None, None)),
            )
            for entry in entries
        ],
    )


def at(connection: sqlite3.Connection, key: ActionKey) -> OutboxEntry | None:
    """The row of an action."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE agent = ? AND task = ? AND round = ? AND action = ?",  # noqa: S608 - constants
        _identity(key),
    ).fetchone()
    return None if row is None else _entry(row)


def of_sender(connection: sqlite3.Connection, sender: Address) -> tuple[OutboxEntry, ...]:
    """A sender's rows that are pending or sent, by nonce."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE sender = ? AND status IN ('pending', 'sent') ORDER BY nonce",  # noqa: S608 - constants
        (sender,),
    )
    return tuple(_entry(row) for row in rows)


def blocks(connection: sqlite3.Connection) -> tuple[tuple[int, BlockHash], ...]:
    """Number and hash of every block that holds a transaction of the rows, oldest first."""
    rows = connection.execute(
        "SELECT DISTINCT block_number, block_hash FROM outbox WHERE block_hash IS NOT NULL ORDER BY block_number"
    )
    return tuple((number, BlockHash(block_hash)) for number, block_hash in rows)


def reopen(connection: sqlite3.Connection, blocks: Sequence[BlockHash]) -> tuple[OutboxEntry, ...]:
    """Take the rows of blocks that left the chain back to sent; returns them as they are now, by sender and nonce."""
    found: list[OutboxEntry] = []
    for block in blocks:
        rows = connection.execute(
            f"UPDATE outbox SET status = 'sent', block_number = NULL, block_hash = NULL "  # noqa: S608 - constants
            f"WHERE block_hash = ? RETURNING {_COLUMNS}",
            (block,),
        ).fetchall()
        found.extend(_entry(row) for row in rows)
    return tuple(sorted(found, key=lambda entry: (entry.sender, entry.nonce)))


def forget(connection: sqlite3.Connection, task: Address, *, before: int) -> None:
    """Drop the rows of a task's rounds from the first to the one before ``before`` that are included or failed."""
    connection.execute(
        "DELETE FROM outbox WHERE task = ? AND round > 0 AND round < ? AND status IN ('included', 'failed')",
        (task, before),
    )


def _identity(key: ActionKey) -> tuple[str, str, int, str]:
    return (key.agent, key.task, key.round, key.action)


def _entry(row: tuple[Any, ...]) -> OutboxEntry:
    agent, task, round_, action, sender, nonce, raw, hash_, status, replaced, number, block_hash = row
    return OutboxEntry(
        key=ActionKey(agent, task, round_, action),
        sender=Address(sender),
        nonce=nonce,
        raw=raw,
        hash=TxHash(hash_),
        status=OutboxStatus(status),
        replaced=tuple(TxHash(text) for text in replaced.split()),
        block=None if block_hash is None else (number, BlockHash(block_hash)),
    )
