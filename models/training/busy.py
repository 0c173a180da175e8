# SPDX-License-Identifier: Apache-2.0
"""How long each kind of work was under way, in wall time: two jobs at once count once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bcfl.models.training.job import WorkKind

__all__ = ("BusyClock",)


class BusyClock:
    """Seconds in which at least one piece of work of a kind was under way; for one event loop."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._running: dict[WorkKind, int] = {"training": 0, "scoring": 0, "evaluation": 0}
        self._since: dict[WorkKind, float] = {}
        self._past: dict[WorkKind, float] = dict.fromkeys(self._running, 0.0)

    @contextmanager
    def under_way(self, kind: WorkKind) -> Iterator[None]:
        """Count the time of the block."""
        if self._running[kind] == 0:
            self._since[kind] = self._now()
        self._running[kind] += 1
        try:
            yield
        finally:
            self._running[kind] -= 1
            if self._running[kind] == 0:
                self._past[kind] += self._now() - self._since[kind]

    def seconds(self) -> dict[str, float]:
        """So far, work that is still under way included."""
        now = self._now()
        return {
            kind: past + (now - self._since[kind] if self._running[kind] else 0.0)
            for kind, past in self._past.items()
        }
