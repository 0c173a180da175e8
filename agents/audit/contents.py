# SPDX-License-Identifier: Apache-2.0
"""Are the contents that a task names in the store, byte for byte as their ids say? Also those that nobody scored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bcfl.agents.audit.finding import Finding
from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval
from bcfl.contracts import events as e
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.state import TaskState
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import ContentNotFound, FetchError

__all__ = ("ContentsAudit",)

_SPECIFICATION_BYTES = 1 << 20


class ContentsAudit:
    """Fetches each content once, as long as it audits.

    Args:
        retrieval: fetches by id and checks the digest.
        names: of accounts, for people.
    """

    def __init__(self, retrieval: Retrieval, names: Mapping[Address, str]) -> None:
        self._retrieval = retrieval
        self._names = names
        self._errors: dict[ContentId, FetchError | None] = {}

    @property
    def checked(self) -> int:
        """How many contents were fetched."""
        return len(self._errors)

    async def checked_one(
        self, number: int, subject: str, content: ContentId, *, max_bytes: int, event: e.Event | None = None
    ) -> Finding | None:
        """None where a content of a round is as its id says, else why not."""
        if content not in self._errors:
            try:
                await self._retrieval.content(content, max_bytes=max_bytes)
                self._errors[content] = None
            except FetchError as reason:
                self._errors[content] = reason
        error = self._errors[content]
        if error is None:
            return None
        return Finding(
            round=number,
            subject=f"{subject} {cid_text(content)}",
            message=f"{error} ({error.reason})",
            event=event,
        )

    async def findings(self, state: TaskState, events: Sequence[e.Event]) -> AsyncIterator[Finding]:
        """Every content that is damaged, and every one that is missing and counted for something.

        Args:
            state: after the events.
            events: of the task, its creation among them.
        """
        for event in events:
            for named in self._named(state, event):
                found = await self.checked_one(
                    getattr(event, "round", 0),
                    named.subject,
                    named.content,
                    max_bytes=named.limit,
                    event=event,
                )
                missing = isinstance(self._errors[named.content], ContentNotFound)
                if found is not None and (named.counts or not missing):
                    yield found

    def _named(self, state: TaskState, event: e.Event) -> Iterator[_Named]:
        """The contents that an event names; a griefer's update and a vote that was outvoted need not be there."""
        limit = state.config.max_update_size
        match event:
            case e.TaskCreated():
                yield _Named("specification", event.config.specification, _SPECIFICATION_BYTES)
                yield _Named("genesis model", event.config.genesis, limit)
            case e.UpdateSubmitted():
                account = state.members[event.index].account
                counts = state.rounds[event.round].scores.get(event.index, 0) > 0
                yield _Named(f"update of {self._names.get(account, account)}", event.content, limit, counts)
            case e.EvaluationSubmitted():
                yield _Named("report", event.report, REPORT_BYTES)
            case e.ModelSubmitted():
                agreed = event.model == state.rounds[event.round].model
                yield _Named("model", event.model, limit, agreed)
            case e.RoundFinalized():
                yield _Named("global model", event.model, limit)


@dataclass(frozen=True)
class _Named:
    """A content, the most bytes that it may have, and whether it must be there."""

    subject: str
    content: ContentId
    limit: int
    counts: bool = True
