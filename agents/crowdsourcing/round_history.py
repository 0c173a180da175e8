# SPDX-License-Identifier: Apache-2.0
"""What a defence remembers of earlier rounds, found again from public records alone.

An evaluator that was there has it at hand. A standby that takes over, one that was restarted, and an auditor judge the
earlier rounds anew: they believe nobody's word for a member's standing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bcfl.contracts.crowd_state import CrowdRound
from bcfl.models.defences.defence import Memory

__all__ = ("RoundHistory", "counts")

_KEPT = 3

Judge = Callable[[CrowdRound, Memory], Awaitable[Memory]]


class RoundHistory:
    """What is remembered after the newest rounds."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, Memory]] = {}

    async def before(self, rounds: Mapping[int, CrowdRound], number: int, judge: Judge) -> Memory:
        """What is remembered when a round begins; rounds before it that are not at hand are judged anew.

        Args:
            rounds: all before that one, at least.
            number: of the round that begins.
            judge: a round, given what was remembered before it; gives what is remembered after it.
        """
        earlier = [n for n in sorted(rounds) if n < number and counts(rounds[n])]
        at_hand = [self._at_hand(rounds[n]) for n in earlier]
        first = max((place + 1 for place, memory in enumerate(at_hand) if memory is not None), default=0)
        memory = at_hand[first - 1] or Memory() if first else Memory()
        for n in earlier[first:]:
            memory = await judge(rounds[n], memory)
            self.remember(rounds[n], memory)
        return memory

    def remember(self, record: CrowdRound, memory: Memory) -> None:
        """Keep what is remembered after a round; the oldest is forgotten."""
        self._known[record.number] = (_key(record), memory)
        for number in sorted(self._known)[:-_KEPT]:
            del self._known[number]

    def _at_hand(self, record: CrowdRound) -> Memory | None:
        known = self._known.get(record.number)
        return known[1] if known is not None and known[0] == _key(record) else None


def _key(record: CrowdRound) -> object:
    """All that a verdict depends on: after a reorganisation a round of the same number may be another one."""
    updates = sorted(
        (index, update.content, update.position, update.owned) for index, update in record.updates.items()
    )
    return record.start_model, tuple(updates), record.cohort, record.suspended_before


def counts(record: CrowdRound) -> bool:
    """Whether a round is part of the past.

    A void round has nothing to judge, and after an objection it began from a model that may not even be there. A round
    whose model was reverted is done again from the same start: beside its updates honest work would hold little news.
    """
    void = record.finalized and record.report is None
    return not void and not record.reverted
