# SPDX-License-Identifier: Apache-2.0
"""How far a process has read the chain, in its journal: a final block, and what is known of each of its tasks there.

The functions here run inside the journal's transaction and thread; ``Journal`` is their only caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.ids import Address, BlockHash
from bcfl.contracts.state_codec import StateParts

__all__ = ("ROUNDS", "TABLES", "Bookmark", "read", "write")

TABLES = """
CREATE TABLE bookmark (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    number INTEGER NOT NULL, hash TEXT NOT NULL, parent_hash TEXT NOT NULL, timestamp INTEGER NOT NULL,
    wanted TEXT NOT NULL
);
CREATE TABLE tasks (task TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
"""

ROUNDS = """
CREATE TABLE rounds (
    task TEXT NOT NULL, number INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (task, number)
) WITHOUT ROWID;
DELETE FROM bookmark; DELETE FROM tasks;
"""
"""Rounds have rows of their own, since one that is over is written no more; what was kept in the older form is read from the chain again."""


@dataclass(frozen=True, kw_only=True)
class Bookmark:
    """A final block, and by address what is known of the tasks after it (``contracts.state_codec``).

    ``wanted`` says which tasks were looked for: what others there are before that block is not known.
    """

    block: BlockRef
    tasks: Mapping[Address, StateParts]
    wanted: str = ""


def read(connection: sqlite3.Connection) -> Bookmark | None:
    """What was last kept."""
    row = connection.execute("SELECT number, hash, parent_hash, timestamp, wanted FROM bookmark").fetchone()
    if row is None:
        return None
    number, hash_, parent_hash, timestamp, wanted = row
    block = BlockRef(number, BlockHash(hash_), BlockHash(parent_hash), timestamp)
    rounds: dict[str, dict[int, bytes]] = {}
    for task, round_, record in connection.execute("SELECT task, number, record FROM rounds"):
        rounds.setdefault(task, {})[round_] = bytes(record)
    tasks = {
        Address(task): StateParts(head=bytes(state), rounds=rounds.get(task, {}))
        for task, state in connection.execute("SELECT task, state FROM tasks")
    }
    return Bookmark(block=block, tasks=tasks, wanted=wanted)


def read_round(connection: sqlite3.Connection, task: Address, number: int) -> bytes:
    """One round that was kept.

    Raises:
        KeyError: it is not there.
    """
    row = connection.execute(
        "SELECT record FROM rounds WHERE task = ? AND number = ?", (task, number)
    ).fetchone()
    if row is None:
        raise KeyError(number)
    return bytes(row[0])


def write(connection: sqlite3.Connection, bookmark: Bookmark) -> None:
    """Keep this instead of what was kept; of a task that is not given whole, the other rounds stay as they are."""
    block = bookmark.block
    connection.execute(
        "INSERT OR REPLACE INTO bookmark VALUES (0, ?, ?, ?, ?, ?)",
        (block.number, block.hash, block.parent_hash, block.timestamp, bookmark.wanted),
    )
    connection.execute("DELETE FROM tasks")
    connection.executemany(
        "INSERT INTO tasks VALUES (?, ?)", [(task, parts.head) for task, parts in bookmark.tasks.items()]
    )
    connection.execute("DELETE FROM rounds WHERE task NOT IN (SELECT task FROM tasks)")
    # Who has read the past again has nothing to do with what an earlier life kept of it.
    whole = [(task,) for task, parts in bookmark.tasks.items() if parts.whole]
    connection.executemany("DELETE FROM rounds WHERE task = ?", whole)
    connection.executemany(
        "INSERT OR REPLACE INTO rounds VALUES (?, ?, ?)",
        [
            (task, number, data)
            for task, parts in bookmark.tasks.items()
            for number, data in parts.rounds.items()
        ],
    )
