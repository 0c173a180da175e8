# SPDX-License-Identifier: Apache-2.0
"""How long what is under way takes: seconds so far, and what is left by the rate so far or by the round before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bcfl.views.run.board import Board

__all__ = ("Pace", "clock_words")

_FEW_S = 1.0
"""Before that a rate says nothing."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Wall seconds, of any clock.

    Attributes:
        step: the round and the phase under way.
        began: when that did.
        took: how long each phase took when it was last over.
    """

    step: tuple[int, str] = (0, "")
    began: float = 0.0
    took: Mapping[str, float] = field(default_factory=dict)

    def following(self, board: Board, now: float) -> Pace:
        """The pace after what the board shows now."""
        step = (board.round, board.phase)
        if step == self.step:
            return self
        took = {**self.took, self.step[1]: now - self.began} if self.step[1] else self.took
        return replace(self, step=step, began=now, took=took)

    def so_far(self, now: float) -> float:
        """Seconds of the phase under way."""
        return max(now - self.began, 0.0)

    def left(self, now: float, *, done: int, of: int) -> float | None:
        """Seconds that it will still take: as the round before did, else by how much is done; None where neither is known."""
        spent, before = self.so_far(now), self.took.get(self.step[1])
        if before is not None and before > spent:
            return before - spent
        if 0 < done < of and spent > _FEW_S:
            return spent / done * (of - done)
        return None


def clock_words(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, short = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{short:02}" if hours else f"{minutes}:{short:02}"
