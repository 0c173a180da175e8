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

__all__ = ("TABLES", "Bookmark", "read", "write")

TABLES = """
CREATE TABLE bookmark (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    number INTEGER NOT NULL, hash TEXT NOT NULL, parent_hash TEXT NOT NULL, timestamp INTEGER NOT NULL,
    wanted TEXT NOT NULL
);
CREATE TABLE tasks (task TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, kw_only=True)
class Bookmark:
    """A final block, and by address what is known of the tasks after it (``contracts.state_codec``).

    ``wanted`` says which tasks were looked for: what others there are before that block is not known.
    """

    block: BlockRef
    tasks: Mapping[Address, bytes]
    wanted: str = ""


def read(connection: sqlite3.Connection) -> Bookmark | None:
    """What was last kept."""
    row = connection.execute("SELECT number, hash, parent_hash, timestamp, wanted FROM bookmark").fetchone()
    if row is None:
        return None
    number, hash_, parent_hash, timestamp, wanted = row
    block = BlockRef(number, BlockHash(hash_), BlockHash(parent_hash), timestamp)
    tasks = {
        Address(task): bytes(state) for task, state in connection.execute("SELECT task, state FROM tasks")
    }
    return Bookmark(block=block, tasks=tasks, wanted=wanted)


def write(connection: sqlite3.Connection, bookmark: Bookmark) -> None:
    """Keep this instead of what was kept."""
    block = bookmark.block
    connection.execute(
        "INSERT OR REPLACE INTO bookmark VALUES (0, ?, ?, ?, ?, ?)",
        (block.number, block.hash, block.parent_hash, block.timestamp, bookmark.wanted),
    )
    connection.execute("DELETE FROM tasks")
    connection.executemany("INSERT INTO tasks VALUES (?, ?)", bookmark.tasks.items())
