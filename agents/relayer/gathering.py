# SPDX-License-Identifier: Apache-2.0
"""Messages of one kind until they go out together: when all are there, or when the first has waited long enough."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ("Gathering",)

M = TypeVar("M")


class Gathering(Generic[M]):
    """What was handed in and is not on the chain.

    A batch that has gone out stays as it is until all of it is on the chain or it is dropped: the same batch is the same
    transaction, whenever it is asked for again.

    Args:
        order: what messages of a batch are sorted by: who was quicker must not decide what a block looks like.
    """

    def __init__(self, order: Callable[[M], int]) -> None:
        self._order = order
        self._waiting: dict[Hashable, M] = {}
        self._batches: list[dict[Hashable, M]] = []
        self._gone_at: list[int] = []
        self._done: set[Hashable] = set()
        self._since: int | None = None

    def __len__(self) -> int:
        return len(self._waiting) + sum(key not in self._done for batch in self._batches for key in batch)

    def __contains__(self, key: Hashable) -> bool:
        return self.latest(key) is not None

    def gone(self, key: Hashable) -> M | None:
        """The message of that key that has gone out and is held still; None where there is none."""
        return next((batch[key] for batch in self._batches if key in batch), None)

    def latest(self, key: Hashable) -> M | None:
        """The newest message of that key."""
        return self._waiting.get(key) or self.gone(key)

    @property
    def waiting(self) -> int:
        """How many have not gone out."""
        return len(self._waiting)

    @property
    def since(self) -> int | None:
        """When the first of those came, in seconds of chain time."""
        return self._since

    @property
    def batches(self) -> Sequence[tuple[M, ...]]:
        """What has gone out and is not all on the chain."""
        return [tuple(batch.values()) for batch in self._batches]

    def add(self, key: Hashable, message: M, *, now: int) -> None:
        """Hold a message; a second of the same key that has not gone out takes the place of the first."""
        if not self._waiting:
            self._since = now
        self._waiting[key] = message

    def close(self, size: int, *, now: int = 0) -> None:
        """What waits goes out, in batches of at most ``size``."""
        ordered = sorted(self._waiting.items(), key=lambda item: self._order(item[1]))
        batches = [dict(ordered[start : start + size]) for start in range(0, len(ordered), size)]
        self._batches += batches
        self._gone_at += [now] * len(batches)
        self._waiting.clear()
        self._since = None

    def drop(self, over: Callable[[M], bool], *, at_once: bool = False) -> None:
        """Forget what waits and is over, and each batch of which all is; ``at_once``: of which anything is, as what is in one transaction comes together."""
        self._waiting = {key: message for key, message in self._waiting.items() if not over(message)}
        enough = any if at_once else all
        self._keep([not enough(map(over, batch.values())) for batch in self._batches])
        self._done = {key for batch in self._batches for key, message in batch.items() if over(message)}
        if not self._waiting:
            self._since = None

    def expire(self, before: int) -> None:
        """Forget batches that went out before that time: what of them was refused must take nobody's place for ever."""
        self._keep([gone_at >= before for gone_at in self._gone_at])

    def _keep(self, kept: Sequence[bool]) -> None:
        self._batches = [batch for batch, stays in zip(self._batches, kept, strict=True) if stays]
        self._gone_at = [gone_at for gone_at, stays in zip(self._gone_at, kept, strict=True) if stays]
