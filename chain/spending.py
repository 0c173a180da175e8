# SPDX-License-Identifier: Apache-2.0
"""What a process's transactions cost on a day (UTC), and what they may."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Protocol

from bcfl.chain.errors import DayBudgetReached

__all__ = ("TABLE", "DayBudget", "SpendingRecord", "read", "write")

TABLE = "CREATE TABLE spent (day INTEGER PRIMARY KEY, wei TEXT NOT NULL);"
_DAY_S = 86_400
_KEPT_DAYS = 7


class SpendingRecord(Protocol):
    """Where what was spent outlives the process; the journal."""

    async def spent(self, day: int) -> int:
        """Wei of a day, counted from 1970."""
        ...

    def spend_later(self, day: int, wei: int) -> None:
        """Add to it, together with whatever is written next."""
        ...


class DayBudget:
    """The most that a day's transactions of a key may cost; several keys of a process share what was spent.

    Args:
        record: of what was spent.
        most: wei a day; None: whatever they cost.
        now: seconds since 1970.
    """

    def __init__(
        self, record: SpendingRecord, most: int | None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._most = most
        self._record = record
        self._now = now

    async def check(self, highest_cost: int) -> None:
        """Whether so much may be spent today beside what was spent.

        Args:
            highest_cost: in wei, of what is under way and of what is to be sent, at the price that was offered.

        Raises:
            DayBudgetReached: it may not.
        """
        if self._most is not None and await self._record.spent(self._today()) + highest_cost > self._most:
            raise DayBudgetReached(
                f"The budget of {self._most / 10**18:g} ether a day for fees does not hold what it may cost; it goes on tomorrow (UTC), "
                f"or with a larger budget."
            )

    def spent(self, wei: int) -> None:
        """A transaction was paid for. One that comes again after a reorganisation counts twice: rather too little is spent."""
        self._record.spend_later(self._today(), wei)

    def _today(self) -> int:
        return int(self._now()) // _DAY_S


def read(connection: sqlite3.Connection, day: int) -> int:
    """Wei of a day; the journal's call, as the next one."""
    row = connection.execute("SELECT wei FROM spent WHERE day = ?", (day,)).fetchone()
    return 0 if row is None else int(row[0])


def write(connection: sqlite3.Connection, day: int, wei: int) -> None:
    """Add to a day's; days long ago are forgotten."""
    # as text: SQLite's integers end at nine ether
    connection.execute("INSERT OR REPLACE INTO spent VALUES (?, ?)", (day, str(read(connection, day) + wei)))
    connection.execute("DELETE FROM spent WHERE day < ?", (day - _KEPT_DAYS,))
