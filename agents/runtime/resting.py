# SPDX-License-Identifier: Apache-2.0
"""How long a refused transaction is left alone: longer each time, until the task has moved on. Pure; times in seconds of any clock."""

from __future__ import annotations

from collections.abc import Hashable

from bcfl.chain.outbox import ActionKey

__all__ = ("Resting",)

_LONGEST_S = 30.0


class Resting:
    """Refused actions: a contract that refuses one refuses it again at the next block, as a rule, and each try asks the node.

    Args:
        first_s: how long one rests that was refused for the first time.
    """

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._pauses: dict[ActionKey, float] = {}
        self._until: dict[ActionKey, float] = {}
        self._place: Hashable = None

    def refused(self, key: ActionKey, now: float) -> None:
        """It was refused."""
        known = self._pauses.get(key)
        pause = self._first_s if known is None else min(2 * known, max(self._first_s, _LONGEST_S))
        self._pauses[key] = pause
        self._until[key] = now + pause

    def rests(self, key: ActionKey) -> bool:
        """Whether it is not to be tried now."""
        return key in self._until

    def due(self) -> float | None:
        """When the next one is to be tried; None: there is none."""
        return min(self._until.values(), default=None)

    def wake(self, now: float) -> None:
        """That time has come."""
        self._until = {key: until for key, until in self._until.items() if until > now}

    def moved(self, place: Hashable) -> None:
        """The task stands at this round and phase: in another one nothing rests."""
        if place != self._place:
            self._place = place
            self._until.clear()
            self._pauses.clear()
