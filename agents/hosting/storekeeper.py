# SPDX-License-Identifier: Apache-2.0
"""Lets go of what a task's terms say nobody needs any more: models and updates of old rounds, in the agent's own store.

What another task that is followed needs stays, and what a newer round names again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from bcfl.agents.runtime.actions import Action, Results, View, Work
from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import ContentId
from bcfl.contracts.state import TaskState
from bcfl.storage.content_id import cid_text
from bcfl.storage.retention import FinalisedRound, RetentionPolicy, retain

__all__ = ("Prune", "Storekeeper", "needed_now")


@dataclass(frozen=True, kw_only=True)
class Prune(Work[bool]):
    """Let go of what is too old when this round is under way."""

    state: TaskState = field(compare=False)


def needed_now(state: TaskState) -> set[ContentId]:
    """What nobody could go on without: the task's own contents, its model, and the round under way."""
    needed = {state.config.specification, state.config.genesis, state.model}
    if state.round:
        needed.add(state.current.start_model)
        needed.update(update.content for update in state.current.updates.values())
    return needed


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
        others: what other tasks need.
        mark: a file that says up to which round everything is gone; None: each life begins with the first.
    """

    role = "storekeeper"

    def __init__(
        self,
        *,
        name: str,
        policy: RetentionPolicy,
        store: ContentStore,
        others: Callable[[], Collection[ContentId]],
        mark: Path | None,
    ) -> None:
        self.name = name
        self._policy = policy
        self._store = store
        self._others = others
        self._mark = mark
        self._gone: set[ContentId] = set()
        told = mark.read_text(encoding="ascii").strip() if mark is not None and mark.exists() else ""
        self._done = int(told) if told.isdecimal() else 0

    def decide(self, view: View, results: Results) -> Sequence[Action]:  # noqa: ARG002 - the port's
        """Once a round, when those before it can no longer change."""
        return [] if view.final is None else [Prune(round=view.final.round, state=view.final)]

    async def perform(self, work: Work[Any]) -> bool:
        """Unpin what is due; a store that is away is asked again."""
        assert isinstance(work, Prune)  # noqa: S101 - all that it asks for
        state = work.state
        over = [
            FinalisedRound(
                number=number,
                model=record.model or record.start_model,
                updates=tuple(update.content for update in record.updates.values()),
            )
            for number in range(self._done + 1, state.round)
            for record in (state.rounds[number],)
        ]
        due = retain(permanent=needed_now(state), rounds=over, policy=self._policy).prune
        for content in sorted(due - self._gone - set(self._others()), key=cid_text):
            await self._store.unpin(content)
            self._gone.add(content)
        if due and isinstance(self._store, Collecting):
            await self._store.collect()
        kept = [count for count in (self._policy.models, self._policy.updates) if count is not None]
        self._finished(max(self._done, state.round - 1 - max(kept, default=state.round)))
        self._gone &= due
        return True

    def _finished(self, number: int) -> None:
        if number != self._done:
            self._done = number
            if self._mark is not None:
                self._mark.parent.mkdir(parents=True, exist_ok=True)
                self._mark.write_text(f"{number}\n", encoding="ascii")
