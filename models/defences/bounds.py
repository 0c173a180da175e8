# SPDX-License-Identifier: Apache-2.0
"""What a defence may have found, as far as anybody can tell who has the updates but not the evaluator's samples.

Most of a verdict is measured on the evaluator's validation set. The rest follows from public bytes: which updates are
copies of each other, how those that pass are changed, and what nobody can have done often enough to be sent away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from bcfl.models.defences.defence import Fault
from bcfl.models.weights import Weights

__all__ = ("Bounded", "Track", "since")


@dataclass(frozen=True, kw_only=True)
class Track:
    """What is public about one member when a round is judged.

    Attributes:
        number: of the round.
        word: why its update is not aggregated, in the defence's words or others'; None: it is, or there is none.
        fault: what that word says it did; None for words that say nothing of the kind.
        evidence: what the evaluator says that the defence measured of it.
        revealed: the rounds that count, this one among them, in which it handed in an update.
        missed: those in which it was to train and did not.
        suspended: it was suspended before the round.
    """

    number: int
    word: str | None = None
    fault: Fault | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)
    revealed: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    suspended: bool = False


def since(rounds: tuple[int, ...], first: int) -> int:
    """How many of the rounds are the ``first`` or later."""
    return sum(number >= first for number in rounds)


@runtime_checkable
class Bounded(Protocol):
    """A defence that says so; of any other nobody but the evaluator can repeat anything."""

    words: ClassVar[frozenset[str]]
    """All reasons for which it rejects valid updates."""
    paid: ClassVar[frozenset[str]]
    """Those of them that only keep an update out of the model: what it is worth is paid all the same."""

    def foregone(
        self, start: bytes, digests: Mapping[int, bytes], positions: Mapping[int, int]
    ) -> Mapping[int, str]:
        """Whom it rejects whatever the samples say, and with which word.

        Args:
            start: canonical digest of the round's model.
            digests: of the valid updates, or of some of them.
            positions: when each was committed.
        """
        ...

    def passed(
        self, start: Weights, models: Mapping[int, Weights], rejected: Mapping[int, str]
    ) -> Mapping[int, Weights]:
        """The updates as they are aggregated, given all valid ones and why some of them are rejected."""
        ...

    def could_sanction(
        self,
        tracks: Mapping[int, Track],
        suspend: Mapping[int, tuple[int, Fault]],
        eject: Mapping[int, Fault],
    ) -> bool:
        """Whether a verdict can have these sanctions; ``tracks`` are of all who revealed or are sanctioned."""
        ...
