# SPDX-License-Identifier: Apache-2.0
"""Lets go of what a task's terms say nobody needs any more: models and updates of old rounds, in the agent's own store.

Only what the agent itself has pinned for this task, and for no other: what a stranger names in a task may be anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import structlog

from bcfl.agents.hosting.pins import TaskPins
from bcfl.agents.runtime.actions import Action, Results, View, Work
from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import ContentId
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.errors import StorageError
from bcfl.models.errors import MalformedUpdate
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import FetchError
from bcfl.storage.retention import FinalisedRound, RetentionPolicy, retain

__all__ = ("MemoryOf", "Prune", "Storekeeper")

MemoryOf = Callable[[ContentId], Awaitable[ContentId | None]]
"""What a model names as its server optimiser's memory."""

_log = structlog.stdlib.get_logger("bcfl.agents.hosting")


@dataclass(frozen=True, kw_only=True)
class Prune(Work[bool]):
    """Let go of what is too old when this round is under way."""

    state: TaskState = field(compare=False)


@runtime_checkable
class Collecting(Protocol):
    """A store that frees its disk when it is told to; a Kubo node does so by itself."""

    async def collect(self) -> int:
        """Remove what is not pinned."""
        ...


class Storekeeper:
    """Unpins one task's old contents.

    Args:
        name: unique in the process.
        policy: how many rounds keep what.
        store: the agent's.
        pins: what it has pinned for the task.
        others: what it has pinned for other tasks, by name.
        memory_of: of a model; None: the task's server optimiser has none.
        mark: a file that says up to which round everything is gone; None: each life begins with the first.
    """

    role = "storekeeper"

    def __init__(
        self,
        *,
        name: str,
        policy: RetentionPolicy,
        store: ContentStore,
        pins: TaskPins,
        others: Callable[[], Collection[str]],
        memory_of: MemoryOf | None = None,
        mark: Path | None = None,
    ) -> None:
        self.name = name
        self._policy = policy
        self._store = store
        self._pins = pins
        self._others = others
        self._memory_of = memory_of
        self._mark = mark
        told = mark.read_text(encoding="ascii").strip() if mark is not None and mark.exists() else ""
        self._done = int(told) if told.isdecimal() else 0

    def decide(self, view: View, results: Results) -> Sequence[Action]:  # noqa: ARG002 - the port's
        """Once a round, when those before it can no longer change."""
        return [] if view.final is None else [Prune(round=view.final.round, state=view.final)]

    async def perform(self, work: Work[Any]) -> bool:
        """Unpin what is due; where the store refuses, the next round tries again: nothing waits for it."""
        assert isinstance(work, Prune)  # noqa: S101 - all that it asks for
        try:
            await self._prune(work.state)
        except StorageError as error:
            _log.warning("not_unpinned", agent=self.name, reason=str(error))
            return False
        return True

    async def _prune(self, state: TaskState) -> None:
        over = [await self._contents(state.rounds[number]) for number in range(self._done + 1, state.round)]
        needed = {cid_text(content) for content in _needed_now(state)}
        found = retain(permanent=(), rounds=over, policy=self._policy)
        needed |= {cid_text(content) for content in found.keep}
        due = {cid_text(content): content for content in found.prune}
        due = {
            name: content for name, content in due.items() if name in self._pins.names and name not in needed
        }
        gone = set(due)
        shared = set(self._others()) if due else set()
        for name, content in sorted(due.items()):
            if name not in shared:
                await self._store.unpin(content)
        self._pins.remove(gone)
        if gone and isinstance(self._store, Collecting):
            await self._store.collect()
        kept = [count for count in (self._policy.models, self._policy.updates) if count is not None]
        self._finished(max(self._done, state.round - 1 - max(kept, default=state.round)))

    async def _contents(self, record: RoundRecord) -> FinalisedRound:
        model = record.model or record.start_model
        memory = None
        if (
            self._memory_of is not None and cid_text(model) in self._pins.names
        ):  # else it is gone, or never was here
            with contextlib.suppress(FetchError, MalformedUpdate):
                memory = await self._memory_of(model)
        return FinalisedRound(
            number=record.number,
            model=model,
            memory=memory,
            updates=tuple(update.content for update in record.updates.values()),
        )

    def _finished(self, number: int) -> None:
        if number != self._done:
            self._done = number
            if self._mark is not None:
                self._mark.parent.mkdir(parents=True, exist_ok=True)
                self._mark.write_text(f"{number}\n", encoding="ascii")


def _needed_now(state: TaskState) -> set[ContentId]:
    """What nobody could go on without: the task's own contents, its model, and the round under way."""
    needed = {state.config.specification, state.config.genesis, state.model}
    if state.round:
        needed.add(state.current.start_model)
        needed.update(update.content for update in state.current.updates.values())
    return needed
