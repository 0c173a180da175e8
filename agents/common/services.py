# SPDX-License-Identifier: Apache-2.0
"""What every agent of a process is given."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.common.token_permits import PermitSource
from bcfl.agents.runtime.ports import ContentStore, LearningEngine, Observer
from bcfl.chain.journal import Journal
from bcfl.contracts.ids import Address
from bcfl.models.training.bench import Kernel
from bcfl.seeds import Seeds

__all__ = ("AgentServices",)


@dataclass(frozen=True, kw_only=True, eq=False)
class AgentServices:
    """Shared by the agents of a process, but for ``permits``, which are signed with an agent's own key.

    Attributes:
        engine: where training and scoring run.
        store: where models live.
        retrieval: contents, fetched and checked.
        journal: what must outlive the process.
        permits: lets contracts take the agent's tokens.
        observer: hears what the agent does.
        seeds: all randomness.
        folder: the agent's own, for what only makes a new start quicker; None: it has none.
    """

    engine: LearningEngine
    store: ContentStore
    retrieval: Retrieval
    journal: Journal
    permits: PermitSource
    observer: Observer
    seeds: Seeds
    folder: Path | None = None

    def computing_by(self, kernel: Kernel) -> AgentServices:
        """The same, with an engine that computes by another kernel."""
        return dataclasses.replace(self, engine=self.engine.computed_by(kernel))

    def storing_in(self, store: ContentStore) -> AgentServices:
        """The same, with another store to write to."""
        return dataclasses.replace(self, store=store)

    def task_folder(self, task: Address) -> Path | None:
        """Where what is of that task alone may be kept, while the agent takes part in it."""
        return None if self.folder is None else self.folder / "tasks" / task
