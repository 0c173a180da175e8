# SPDX-License-Identifier: Apache-2.0
"""The publisher: writes the specification and the genesis model, creates the task and escrows its reward; ends it when it has enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bcfl.agents.common.decisions import Published, Telling
from bcfl.agents.common.token_permits import PermitSource
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.agents.runtime.ports import ContentStore, Observer
from bcfl.contracts import calls
from bcfl.contracts.calls import Permit
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind
from bcfl.storage.content_id import cid_text

__all__ = ("Ending", "Prepare", "Publication", "Publisher", "decide")


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A task as its publisher wants it; ``budget`` in 10⁻⁹ token.

    ``evaluators``: in a consortium its founding members, who alone may join until they vote on others.
    """

    factory: Address
    kind: Kind = Kind.CROWDSOURCING
    config: TaskConfig
    evaluators: tuple[Address, ...]
    budget: int


@dataclass(frozen=True, kw_only=True)
class Prepare(Work[Permit]):
    """Put the specification and the genesis model into the store and sign a permit for the budget."""


def decide(view: View, publication: Publication, results: Results) -> list[Action]:
    """All that a publisher wants now."""
    if view.seen is not None:
        return []
    prepare = Prepare(round=0)
    if prepare not in results:
        return [prepare]
    call = calls.create_task(
        publication.factory,
        kind=publication.kind,
        config=publication.config,
        evaluators=publication.evaluators,
        budget=publication.budget,
        permit=results[prepare],
    )
    return [prepare, Transact(round=0, name="create_task", call=call)]


class Ending(Protocol):
    """What a publisher wants of a task that goes on."""

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """All that it wants now. Pure."""
        ...

    async def perform(self, work: Work[Any]) -> object:
        """Do a piece of its work."""
        ...


class Publisher:
    """A publisher's hands.

    Args:
        contents: specification and genesis model, whose ids the publication names.
        ending: when it ends the task before its last round; None: never.
    """

    role = "publisher"

    def __init__(
        self,
        *,
        name: str,
        publication: Publication,
        contents: Sequence[bytes],
        store: ContentStore,
        permits: PermitSource,
        observer: Observer,
        ending: Ending | None = None,
    ) -> None:
        self.name = name
        self._publication = publication
        self._contents = tuple(contents)
        self._store = store
        self._permits = permits
        self._ending = ending
        self._tell = Telling(observer=observer, agent=name, role=self.role)

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """All that it wants now."""
        if view.seen is not None and self._ending is not None:
            return self._ending.decide(view, results)
        return decide(view, self._publication, results)

    async def perform(self, work: Work[Any]) -> object:
        """Do a piece of its work."""
        if not isinstance(work, Prepare):
            if self._ending is not None:
                return await self._ending.perform(work)
            raise TypeError(f"A publisher does not know {work!r}.")
        stored = []
        for data in self._contents:
            content = await self._store.put(data)
            await self._store.pin(content)
            stored.append(cid_text(content))
        self._tell(0, Published(contents=stored))
        publication = self._publication
        return await self._permits.permit(
            publication.config.token, spender=publication.factory, amount=publication.budget
        )
