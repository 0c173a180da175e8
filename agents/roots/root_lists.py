# SPDX-License-Identifier: Apache-2.0
"""The lists behind a task's roots, as events: whoever follows the task sees its commitments and updates as in any other.

A list that cannot be had, or is not what its root says, tells nothing: its members' updates are unknown in that round, and
everybody goes on.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import anyio
import anyio.to_thread
import structlog

from bcfl.agents.common.retrieval import Retrieval
from bcfl.chain.keys import signer_of
from bcfl.contracts import events as e
from bcfl.contracts.errors import MalformedList
from bcfl.contracts.fold import fold
from bcfl.contracts.ids import Address
from bcfl.contracts.messages import CommitMessage, digest_of
from bcfl.contracts.root_lists import LARGEST_LIST, committed_by, opened_by
from bcfl.contracts.state import TaskState
from bcfl.errors import StorageError
from bcfl.storage.content_id import cid_text

__all__ = ("Lacking", "RootLists", "Rooted")

Rooted = e.RootCommitted | e.RootRevealed
"""What a list stands behind."""

Lacking = Callable[[TaskState, Rooted, str], None]
"""Hears of a list that tells nothing, and why."""

_PATIENCE_S = 10.0
_REMEMBERED = 8

_log = structlog.stdlib.get_logger("bcfl.agents")


class RootLists:
    """Finds out what the roots of tasks stand for.

    A task whose lists are missing is waited for ever less, half as long each time: what its rooter can take of everybody's
    time is bounded.

    Args:
        retrieval: from the store.
        chain_id: of the chain that the tasks are on.
        patience_s: the longest wait for a list, in seconds.
        lacking: hears of lists that tell nothing; None: the log does.
    """

    def __init__(
        self,
        retrieval: Retrieval,
        *,
        chain_id: int,
        patience_s: float = _PATIENCE_S,
        lacking: Lacking | None = None,
    ) -> None:
        self._retrieval = retrieval
        self._chain_id = chain_id
        self._patience_s: dict[Address, float] = defaultdict(lambda: patience_s)
        self._lacking = lacking or _complain
        self._told: OrderedDict[tuple[str, int], tuple[e.Event, ...]] = OrderedDict()

    async def told(self, state: TaskState, events: Sequence[e.Event]) -> list[e.Event]:
        """The task's events, each root followed by what its list says.

        Args:
            state: before them.
            events: of the task alone.

        Raises:
            MalformedLog: an event cannot follow those before it.
        """
        told: list[e.Event] = []
        folded = 0
        for event in events:
            told.append(event)
            if isinstance(event, Rooted):
                state, folded = fold(state, told[folded:]), len(told)
                told += await self._entries(state, event)
        return told

    async def _entries(self, state: TaskState, event: Rooted) -> tuple[e.Event, ...]:
        """What the list says, remembered: a block may be delivered again."""
        place = (event.origin.block.hash, event.origin.log_index)
        if place not in self._told:
            self._told[place] = await self._read(state, event)
            while len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        return self._told[place]

    async def _read(self, state: TaskState, event: Rooted) -> tuple[e.Event, ...]:
        patience_s = self._patience_s[state.address]
        try:
            with anyio.fail_after(patience_s):
                listing = await self._retrieval.content(event.listing, max_bytes=LARGEST_LIST)
            # A thousand signatures take a third of a second.
            return await anyio.to_thread.run_sync(partial(self._checked, state, event, listing))
        except (TimeoutError, StorageError) as error:
            self._patience_s[state.address] = patience_s / 2
            reason = f"it cannot be had ({getattr(error, 'reason', 'timeout')})"
        except MalformedList as error:
            reason = str(error)
        self._lacking(state, event, reason)
        return ()

    def _checked(self, state: TaskState, event: Rooted, listing: bytes) -> tuple[e.Event, ...]:
        if isinstance(event, e.RootRevealed):
            return opened_by(state, event, listing, chain_id=self._chain_id)
        return (committed_by(event, listing, signed=partial(self._signed, state)),)

    def _signed(self, state: TaskState, message: CommitMessage) -> bool:
        digest = digest_of(message, chain_id=self._chain_id, task=state.address)
        return signer_of(digest, message.signature) == state.members[message.index].account


def _complain(state: TaskState, event: Rooted, reason: str) -> None:
    _log.warning(
        "list_lacking",
        task=state.address,
        reason=f"What {len(event.members)} members handed in in round {event.round} is unknown: their rooter {state.config.rooter} "
        f"names the list {cid_text(event.listing)}, and {reason}.",
    )
