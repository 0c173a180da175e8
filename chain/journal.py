# SPDX-License-Identifier: Apache-2.0
"""What must survive a crash: chain identity, how far it was read, each agent's decided actions, its signed transactions.

SQLite in WAL mode with ``synchronous=FULL``: what a call returned from is on disk. One file a process, shared
by its agents, one writer thread; calls that wait at the same moment are committed together, so a thousand agents
that act in one block pay for a few flushes, not for a thousand.

The rules that make effects happen once: an action's payload (a salt, an update's digest) is recorded before
anything is sent; recording it again with the same payload does nothing; signed bytes are in the outbox
before the node sees them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread

from bcfl.chain import bookmarks, outbox, spending
from bcfl.chain.bookmarks import Bookmark
from bcfl.chain.crash_point import crash_point
from bcfl.chain.errors import ActionAlreadyRecorded, JournalUnreadable, JournalUnwritable
from bcfl.chain.journal_file import connect
from bcfl.chain.outbox import ActionKey, OutboxEntry, OutboxStatus
from bcfl.contracts.errors import MalformedState
from bcfl.contracts.ids import Address, BlockHash
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.contracts.state_codec import round_from_bytes

__all__ = (
    "TEMPORARY",
    "ActionKey",
    "ActionRecord",
    "Journal",
    "OutboxEntry",
    "OutboxStatus",
)

TEMPORARY = ""
"""SQLite's name for a file of its own that nobody else sees: a round of a thousand updates is too much for memory."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class ActionRecord:
    """What an agent decided: it will do this, with this payload and no other."""

    key: ActionKey
    payload: bytes


class _Request(Generic[_T]):
    """One operation waiting for the writer, and later its outcome."""

    def __init__(self, operation: Callable[[sqlite3.Connection], _T]) -> None:
        self.operation = operation
        self.done = False
        self.result: _T | None = None
        self.error: Exception | None = None


class Journal:
    """The journal of one process; made by ``Journal.open``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: list[_Request[Any]] = []
        self._turn = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, path: Path | str, *, chain_id: int, genesis_hash: BlockHash
    ) -> AsyncIterator[Journal]:
        """Open or make the journal of a chain; closed on leaving.

        Args:
            path: its file; ``TEMPORARY`` for a journal that lives as long as the process.
            chain_id: of the node the process talks to.
            genesis_hash: the hash of that chain's block 0, since devnets share their ids.

        Raises:
            JournalOfAnotherChain: the file belongs to another chain.
            JournalInUse: another process has it open.
            JournalUnreadable: it is damaged or newer than this program.
        """
        connection = await anyio.to_thread.run_sync(connect, str(path), chain_id, genesis_hash)
        journal = cls(connection)
        try:
            yield journal
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_close, connection, journal._waiting)

    async def write(self, actions: Sequence[ActionRecord]) -> None:
        """Record what was decided, all or nothing, durable on return.

        Raises:
            ActionAlreadyRecorded: one of the actions is recorded with another payload; nothing was written.
        """
        keys = [record.key for record in actions]
        crash_point("after-handler", keys)

        def operation(connection: sqlite3.Connection) -> None:
            for record in actions:
                _record(connection, record)

        await self._run(operation)
        crash_point("after-journal", keys)

    async def bookmark(self) -> Bookmark | None:
        """How far the process had read; None where nothing was kept."""
        return await self._run(bookmarks.read)

    async def mark(self, bookmark: Bookmark) -> None:
        """Keep how far the process has read, durable on return."""
        await self._run(lambda connection: bookmarks.write(connection, bookmark))

    def round(self, task: Address, kind: type[TaskState], number: int) -> RoundRecord:
        """A round of a task as it was when it was last marked; read at once, since whoever asks is no coroutine.

        Raises:
            JournalUnreadable: the file cannot be read any more, or has no such round.
        """
        try:
            # The connection is the writer's, since the file is locked for one; SQLite has them take turns.
            data = bookmarks.read_round(self._connection, task, number)
            return round_from_bytes(kind, data)
        except (sqlite3.Error, MalformedState, LookupError) as error:
            raise JournalUnreadable(
                f"Round {number} of {task} cannot be read from the journal: {error}"
            ) from error

    async def action(self, key: ActionKey) -> bytes | None:
        """The payload recorded for an action; None if it was not decided yet."""
        return await self._run(lambda connection: _payload(connection, key))

    async def actions(self, agent: str, task: str) -> tuple[ActionRecord, ...]:
        """All an agent decided in a task, by round and action."""

        def operation(connection: sqlite3.Connection) -> tuple[ActionRecord, ...]:
            rows = connection.execute(
                "SELECT round, action, payload FROM actions WHERE agent = ? AND task = ? ORDER BY round, action",
                (agent, task),
            )
            return tuple(
                ActionRecord(ActionKey(agent, task, round_, action), payload)
                for round_, action, payload in rows
            )

        return await self._run(operation)

    async def transaction(self, key: ActionKey) -> OutboxEntry | None:
        """The signed transaction of an action, whatever its status."""
        return await self._run(lambda connection: outbox.at(connection, key))

    async def open_transactions(self, sender: Address) -> tuple[OutboxEntry, ...]:
        """A sender's transactions that are pending or sent, by nonce."""
        return await self._run(lambda connection: outbox.of_sender(connection, sender))

    async def store(self, entries: Sequence[OutboxEntry]) -> None:
        """Write transactions as they are now, durable on return; the transaction owners' call."""
        await self._run(lambda connection: outbox.put(connection, entries))

    def store_later(self, entries: Sequence[OutboxEntry]) -> None:
        """Write transactions together with whatever is written next, or on closing.

        For changes that a crash may undo: a transaction that was sent and still reads ``pending`` is treated as one
        that may have been sent.
        """
        self._waiting.append(_Request(lambda connection: outbox.put(connection, entries)))

    def forget_later(self, task: Address, *, before: int) -> None:
        """Drop what a task's rounds before this one left, together with whatever is written next: they are over for good.

        Round 0 stays, which is what was done before the first, and so do transactions that are still on their way.
        """

        def operation(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM actions WHERE task = ? AND round > 0 AND round < ?", (task, before)
            )
            outbox.forget(connection, task, before=before)

        self._waiting.append(_Request(operation))

    async def spent(self, day: int) -> int:
        """Wei that transactions cost on a day since 1970."""
        return await self._run(lambda connection: spending.read(connection, day))

    def spend_later(self, day: int, wei: int) -> None:
        """Add to a day's cost, together with whatever is written next."""
        self._waiting.append(_Request(lambda connection: spending.write(connection, day, wei)))

    async def including_blocks(self) -> tuple[tuple[int, BlockHash], ...]:
        """Number and hash of every block that holds a transaction of the journal, oldest first."""
        return await self._run(outbox.blocks)

    async def reopen(self, blocks: Sequence[BlockHash]) -> tuple[OutboxEntry, ...]:
        """Take the transactions of blocks that left the chain back to sent; returns them by sender and nonce."""
        return await self._run(lambda connection: outbox.reopen(connection, blocks))

    async def _run(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        request = _Request(operation)
        self._waiting.append(request)
        try:
            async with self._turn:  # whoever gets the turn commits for all that wait
                if not request.done:
                    batch, self._waiting = self._waiting, []
                    await anyio.to_thread.run_sync(_commit, self._connection, batch, limiter=self._thread)
        finally:
            if request in self._waiting:  # cancelled before its turn
                self._waiting.remove(request)
        if request.error is not None:
            raise request.error
        return request.result  # type: ignore[return-value] # done without an error: it is a _T


def _commit(connection: sqlite3.Connection, batch: Sequence[_Request[Any]]) -> None:
    """Run the operations in one transaction, each in a savepoint, so that one's failure undoes only itself."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for request in batch:
            connection.execute("SAVEPOINT request")
            try:
                request.result = request.operation(connection)
            except Exception as error:  # noqa: BLE001 - it is raised again in the task that asked
                request.error = error
                connection.execute("ROLLBACK TO request")
            connection.execute("RELEASE request")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for request in batch:
            request.error = JournalUnwritable(
                f"The journal could not be written ({error}), so nothing was sent; make room on its disk and start again."
            )
            request.error.__cause__ = error
    finally:
        for request in batch:
            request.done = True


def _close(connection: sqlite3.Connection, left: Sequence[_Request[Any]]) -> None:
    try:
        _commit(connection, left)
    finally:
        connection.close()


def _payload(connection: sqlite3.Connection, key: ActionKey) -> bytes | None:
    row = connection.execute(
        "SELECT payload FROM actions WHERE agent = ? AND task = ? AND round = ? AND action = ?",
        (key.agent, key.task, key.round, key.action),
    ).fetchone()
    return None if row is None else bytes(row[0])


def _record(connection: sqlite3.Connection, record: ActionRecord) -> None:
    known = _payload(connection, record.key)
    if known is None:
        connection.execute(
            "INSERT INTO actions (agent, task, round, action, payload) VALUES (?, ?, ?, ?, ?)",
            (record.key.agent, record.key.task, record.key.round, record.key.action, record.payload),
        )
    elif known != record.payload:
        raise ActionAlreadyRecorded(
            f"{record.key.agent} has already decided '{record.key.action}' of round {record.key.round} with another "
            "payload; an action is decided once, so read it from the journal."
        )
