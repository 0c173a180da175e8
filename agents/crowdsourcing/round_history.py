# SPDX-License-Identifier: Apache-2.0
"""What a defence remembers of earlier rounds, found again from public records alone.

An evaluator that was there has it at hand, or in its own folder where it was restarted. A standby that takes over, and an
auditor judge the earlier rounds anew: they believe nobody's word for a member's standing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import anyio.to_thread

from bcfl.contracts.crowd_state import CrowdRound
from bcfl.models.defences.defence import Memory

__all__ = ("MemoryArchive", "RoundHistory", "counts")

_KEPT = 3

Judge = Callable[[CrowdRound, Memory], Awaitable[Memory]]


class MemoryArchive(Protocol):
    """Where what is remembered after the newest round outlives the process (``MemoryFolder``)."""

    def load(self) -> tuple[int, bytes, Memory] | None:
        """Number and digest of that round, and what is remembered after it."""
        ...

    def keep(self, number: int, key: bytes, memory: Memory, /) -> None:
        """Keep this instead."""
        ...


class RoundHistory:
    """What is remembered after the newest rounds.

    Args:
        archive: of an earlier life of the same agent; None: it has none.
    """

    def __init__(self, archive: MemoryArchive | None = None) -> None:
        self._known: dict[int, tuple[bytes, Memory]] = {}
        self._archive = archive
        self._loaded = archive is None

    async def before(
        self, rounds: Mapping[int, CrowdRound], number: int, judge: Judge, *, since: int = 1
    ) -> Memory:
        """What is remembered when a round begins; rounds before it that are not at hand are judged anew.

        Args:
            rounds: all before that one, at least.
            number: of the round that begins.
            judge: a round, given what was remembered before it; gives what is remembered after it.
            since: the first round that can be judged anew: of those before it the contents are gone.
        """
        await self._load()
        memory, missing = Memory(), []
        for n in sorted((n for n in rounds if n < number), reverse=True):  # the old ones are on disk
            record = rounds[n]
            known = self._at_hand(record)
            if counts(record) and known is not None:
                memory = known
                break
            missing.append(record)
        for record in (one for one in reversed(missing) if counts(one) and one.number >= since):
            memory = await judge(record, memory)
            await self.remember(record, memory)
        return memory

    async def remember(self, record: CrowdRound, memory: Memory) -> None:
        """Keep what is remembered after a round; the oldest is forgotten."""
        key = _key(record)
        self._known[record.number] = (key, memory)
        for number in sorted(self._known)[:-_KEPT]:
            del self._known[number]
        if self._archive is not None:
            await anyio.to_thread.run_sync(self._archive.keep, record.number, key, memory)

    async def _load(self) -> None:
        if self._archive is None or self._loaded:
            return
        self._loaded = True
        found = await anyio.to_thread.run_sync(self._archive.load)
        if found is not None:
            number, key, memory = found
            self._known.setdefault(number, (key, memory))

    def _at_hand(self, record: CrowdRound) -> Memory | None:
        known = self._known.get(record.number)
        return known[1] if known is not None and known[0] == _key(record) else None


def _key(record: CrowdRound) -> bytes:
    """A digest of all that a verdict depends on: after a reorganisation a round of the same number may be another one."""
    updates = sorted(
        (index, update.content, update.position, update.owned) for index, update in record.updates.items()
    )
    judged = (record.start_model, tuple(updates), record.cohort, record.suspended_before)
    return hashlib.sha256(repr(judged).encode()).digest()


def counts(record: CrowdRound) -> bool:
    """Whether a round is part of the past.

    A void round has nothing to judge, and after an objection it began from a model that may not even be there. A round
    whose model was reverted is done again from the same start: beside its updates honest work would hold little news.
    """
    void = record.finalized and record.report is None
    return not void and not record.reverted
