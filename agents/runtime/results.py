# SPDX-License-Identifier: Apache-2.0
"""What an agent's works have come to, for as long as its core asks for it: a task may have any number of rounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from bcfl.agents.runtime.actions import Work

__all__ = ("RecentResults",)

R = TypeVar("R")


class RecentResults:
    """Results by work; one that nobody has asked for since the round before the last final one is forgotten.

    Every decision asks for what it still goes by, so what nobody asks for any more is of a round that is over.
    """

    def __init__(self) -> None:
        self._results: dict[Work[Any], Any] = {}
        self._asked: dict[Work[Any], int] = {}
        self._round = 0

    def keep(self, work: Work[R], result: R) -> None:
        """A work is done."""
        self._results[work] = result
        self._asked[work] = self._round

    def drop(self, work: Work[Any]) -> None:
        """What it came to is of no use any more; nothing happens where it is not done."""
        self._results.pop(work, None)
        self._asked.pop(work, None)

    def final(self, round_number: int) -> bool:
        """No reorganisation undoes the beginning of this round any more; whether that is news."""
        if round_number <= self._round:
            return False
        self._round = round_number
        for work in [work for work, asked in self._asked.items() if asked < round_number - 1]:
            del self._results[work], self._asked[work]
        return True

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._results)

    def __contains__(self, work: object, /) -> bool:
        """Whether it is done."""
        if work not in self._results:
            return False
        assert isinstance(work, Work)  # noqa: S101 - what keep takes
        self._asked[work] = self._round
        return True

    def __getitem__(self, work: Work[R], /) -> R:
        """What it came to; raises ``KeyError`` where it is not done."""
        result: R = self._results[work]
        self._asked[work] = self._round
        return result

    def get(self, work: Work[R], /) -> R | None:
        """What it came to, None where it is not done."""
        return self[work] if work in self._results else None

    def __iter__(self) -> Iterator[Work[Any]]:
        """What is done; looking through them all asks for none."""
        return iter(tuple(self._results))
