# SPDX-License-Identifier: Apache-2.0
"""When it is kept how far a process has read: seconds after something was said, else seldom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bcfl.chain.bookmarks import Bookmark
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState
from bcfl.contracts.state_codec import state_to_parts

__all__ = ("Bookmarking",)

_QUIET = 12  # so much rarer where no task says anything: the blocks that are read again then are all empty


class Bookmarking:
    """Makes bookmarks of final states; a round that has not changed is not written out again.

    Args:
        every_s: the least time between two.
        wanted: which tasks are looked for, for ``Bookmark``.
        after: the block of an earlier life's bookmark, which is told of again: what is known is of that block, not of those before it.
        kept: the states of that bookmark, where the journal has them in this form: their rounds are there already.
    """

    def __init__(
        self,
        every_s: float,
        *,
        after: int = -1,
        wanted: str = "",
        kept: Mapping[Address, TaskState] | None = None,
    ) -> None:
        self._every_s = every_s
        self._after = after
        self._wanted = wanted
        self._marked = -math.inf
        self._kept = dict(kept or {})

    def due(self, block: BlockRef, states: Sequence[TaskState], now: float) -> Bookmark | None:
        """The bookmark to keep now, if any.

        Args:
            block: the newest final one.
            states: of all tasks, after it.
            now: in seconds, of a clock that never goes back.
        """
        if now < self._marked + self._every_s or block.number <= self._after:
            return None
        known = [self._kept.get(state.address) for state in states]
        quiet = len(states) == len(self._kept) and all(
            one is state for one, state in zip(known, states, strict=True)
        )
        if quiet and now < self._marked + _QUIET * self._every_s:
            return None
        self._marked = now
        tasks = {
            state.address: state_to_parts(state, since=kept)
            for state, kept in zip(states, known, strict=True)
        }
        return Bookmark(block=block, tasks=tasks, wanted=self._wanted)

    def kept(self, states: Sequence[TaskState]) -> None:
        """A bookmark of these states is in the journal."""
        self._kept = {state.address: state for state in states}
