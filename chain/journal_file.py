# SPDX-License-Identifier: Apache-2.0
"""The file of a journal: its tables, how they came to be, and whose it is."""

from __future__ import annotations

import sqlite3

from bcfl.chain import bookmarks, outbox, spending
from bcfl.chain.errors import JournalInUse, JournalOfAnotherChain, JournalUnreadable
from bcfl.contracts.ids import BlockHash

__all__ = ("connect",)

_FIRST = """
CREATE TABLE chain (
    only INTEGER PRIMARY KEY CHECK (only = 0), chain_id INTEGER NOT NULL, genesis_hash TEXT NOT NULL
);
CREATE TABLE actions (
    agent TEXT NOT NULL, task TEXT NOT NULL, round INTEGER NOT NULL, action TEXT NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (agent, task, round, action)
) WITHOUT ROWID;
"""
_STEPS = (
    _FIRST + outbox.TABLE,
    f"DROP TABLE IF EXISTS cursors; {bookmarks.TABLES}",
    bookmarks.ROUNDS,
    spending.TABLE,
)
"""What each version of the form added to the one before; a file says in ``user_version`` how many it has."""


def connect(path: str, chain_id: int, genesis_hash: BlockHash) -> sqlite3.Connection:
    """Open or make the file of a chain's journal, and bring it to the newest form.

    Raises:
        JournalOfAnotherChain: the file belongs to another chain.
        JournalInUse: another process has it open.
        JournalUnreadable: it is damaged or newer than this program.
    """
    try:
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=0.5)
    except sqlite3.Error as error:
        raise JournalUnreadable(f"The journal {path} cannot be opened: {error}.") from error
    try:
        connection.execute(
            "PRAGMA locking_mode=EXCLUSIVE"
        )  # a second process must not send for the same keys
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _prepare(connection, path, chain_id, genesis_hash)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise JournalInUse(
                f"Another process writes the journal {path}; stop it, or give this process a journal of its own."
            ) from error
        raise JournalUnreadable(f"The journal {path} cannot be used: {error}.") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise JournalUnreadable(
            f"The journal {path} is damaged ({error}); restore it from a copy, or remove it to start afresh."
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: str, chain_id: int, genesis_hash: BlockHash) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_STEPS):
        raise JournalUnreadable(f"The journal {path} was written by a newer version of bcfl; update bcfl.")
    for step in _STEPS[version:]:
        version += 1
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version={version}; COMMIT;")
    row = connection.execute("SELECT chain_id, genesis_hash FROM chain").fetchone()
    if row is None:
        connection.execute("INSERT INTO chain VALUES (0, ?, ?)", (chain_id, genesis_hash))
    elif tuple(row) != (chain_id, genesis_hash):
        raise JournalOfAnotherChain(
            f"The journal {path} belongs to chain {row[0]} with genesis {row[1]}, and the node serves chain {chain_id} "
            f"with genesis {genesis_hash}; use another journal file, or remove this one to start afresh."
        )
