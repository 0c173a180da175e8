# SPDX-License-Identifier: Apache-2.0
"""Reputation: strikes and suspicion → suspension → ejection → parole, as a pure state machine.

The contract ejects only whom an earlier round suspended, so every ejection takes two evaluations; in between the
member hands in nothing. Strikes are for updates that are no work of their own; suspicion (a CUSUM of the
evidence) is for work that does harm. A single doubtful strike never ejects: an honest member whose samples are all of one
class can hand in a nearly empty update.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from bcfl.models.defences.bounds import Track, since
from bcfl.models.defences.defence import Fault, Standing

__all__ = ("Clerk", "Decision", "unlikely")

_ROUNDING = 1e-9
_CHANCE = 1e-3
"""Of missing so many of the rounds that are remembered, for one who is away as often as the others were in them."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What follows for everybody; by index."""

    standings: Mapping[int, Standing]
    watched: frozenset[int]
    """Too suspicious to be aggregated or paid this round."""
    suspend: Mapping[int, tuple[int, Fault]]
    eject: Mapping[int, Fault]


@dataclass(frozen=True, kw_only=True)
class Clerk:
    """Turns a round's findings into decisions.

    Attributes:
        watch: suspicion above which an update is neither aggregated nor paid.
        condemn: suspicion above which the member is suspended, to be ejected.
        strikes: doubtful strikes within ``memory`` rounds that condemn.
        memory: rounds.
        suspension: rounds; long enough for a full quota of ejections to come round.
        misses: rounds missed within ``memory`` that suspend, or more where the others are often away too.
        paroles: suspensions for absence that are followed by parole; the next one ends in ejection.
    """

    watch: float = 2.0
    condemn: float = 4.5
    strikes: int = 2
    memory: int = 5
    suspension: int = 4
    misses: int = 3
    paroles: int = 1

    def decide(
        self,
        number: int,
        standings: Mapping[int, Standing],
        *,
        evidence: Mapping[int, float],
        certain: Mapping[int, Fault],
        doubtful: Mapping[int, Fault],
        absent: frozenset[int],
        due: int,
        suspended: frozenset[int],
    ) -> Decision:
        """One round.

        Args:
            number: of the round.
            standings: before it.
            evidence: of those whose update was examined for harm.
            certain: faults that no honest member could commit.
            doubtful: faults that an honest member may commit once.
            absent: who was to train and revealed nothing.
            due: how many were to train.
            suspended: who is suspended, and so handed in nothing.
        """
        after = {
            index: self._paroled(standing) if standing.condemned and index not in suspended else standing
            for index, standing in standings.items()
        }
        suspend: dict[int, tuple[int, Fault]] = {}
        for index, amount in evidence.items():
            known = after.get(index, Standing())
            after[index] = dataclasses.replace(known, suspicion=max(0.0, known.suspicion + amount))
            if after[index].suspicion > self.condemn:
                suspend[index] = (self.suspension, Fault.HARMFUL)
        for index, fault in doubtful.items():
            known = after.get(index, Standing())
            strikes = (*(n for n in known.strikes if n > number - self.memory), number)
            after[index] = dataclasses.replace(known, strikes=strikes, fault=fault)
            if len(strikes) >= self.strikes:
                suspend[index] = (self.suspension, fault)
        for index, fault in certain.items():
            suspend[index] = (self.suspension, fault)
        for index, (_, fault) in suspend.items():
            after[index] = dataclasses.replace(after.get(index, Standing()), condemned=True, fault=fault)
        suspend |= self._absences(number, after, absent, due)
        eject = {
            index: standing.fault or Fault.HARMFUL
            for index in sorted(suspended)
            if (standing := after.get(index)) is not None and standing.condemned
        }
        watched = frozenset(index for index in evidence if after[index].suspicion > self.watch)
        return Decision(standings=after, watched=watched, suspend=suspend, eject=eject)

    def could_suspend(self, track: Track, fault: Fault) -> bool:
        """Whether that fault of this round, other than harm, can suspend whoever is known by this track."""
        first = track.number - self.memory + 1
        shown = fault is track.fault or (fault is Fault.ABSENT and track.number in track.missed)
        return shown and self._often_enough(track, fault, first)

    def could_suspect(self, track: Track, suspicion: float, *, most: float) -> bool:
        """Whether that much suspicion suspends, and can have come together at ``most`` so much a round."""
        return self.condemn < suspicion <= most * len(track.revealed) * (1 + _ROUNDING)

    def could_eject(self, track: Track, fault: Fault, *, most: float) -> bool:
        """Whether a member with that track can have been condemned for that fault in an earlier round."""
        if fault is Fault.HARMFUL:
            return track.suspended and most * len(track.revealed) > self.condemn
        return track.suspended and self._often_enough(track, fault, 0)

    def _often_enough(self, track: Track, fault: Fault, first: int) -> bool:
        """Whether there were rounds enough for that fault, from the ``first`` on."""
        match fault:
            case Fault.ABSENT:
                return since(track.missed, first) >= self.misses
            case Fault.INVALID | Fault.UNAVAILABLE:
                return since(track.revealed, first) >= self.strikes
            case _:
                return bool(track.revealed)

    def _absences(
        self, number: int, after: dict[int, Standing], absent: frozenset[int], due: int
    ) -> dict[int, tuple[int, Fault]]:
        """Who misses too often holds up everybody until the deadline: out for a while, and for good if it goes on.

        Where many are away now and then, as light clients are, too often is what chance does not explain.
        """
        suspend: dict[int, tuple[int, Fault]] = {}
        window = min(self.memory, number)
        recent = {
            index: sum(n > number - self.memory for n in known.missed) for index, known in after.items()
        }
        everybody = sum(recent.values()) + len(absent)
        for index in sorted(absent):
            known = after.get(index, Standing())
            missed = (*(n for n in known.missed if n > number - self.memory), number)
            after[index] = known = dataclasses.replace(known, missed=missed)
            others = everybody - recent.get(index, 0) - 1
            usual = min(1.0, others / ((due - 1) * window)) if due > 1 else 0.0
            if len(missed) >= max(self.misses, unlikely(self.memory, usual)):
                suspend[index] = (self.suspension, Fault.ABSENT)
                after[index] = dataclasses.replace(
                    known,
                    missed=(),
                    paroled=known.paroled + 1,
                    condemned=known.paroled >= self.paroles,
                    fault=Fault.ABSENT,
                )
        return suspend

    def _paroled(self, standing: Standing) -> Standing:
        """Back from a suspension that no ejection followed, for want of members: under watch, not forgiven."""
        return dataclasses.replace(
            standing,
            condemned=False,
            paroled=standing.paroled + 1,
            suspicion=min(standing.suspicion, self.watch),
        )


def unlikely(rounds: int, rate: float) -> int:
    """The fewest misses of so many rounds that chance explains less than once in a thousand (binomial); one more than all where there is none.

    Args:
        rounds: that are looked at.
        rate: the chance of missing one.
    """
    tail = 0.0
    for misses in range(rounds, 0, -1):
        tail += math.comb(rounds, misses) * rate**misses * (1 - rate) ** (rounds - misses)
        if tail >= _CHANCE:
            return misses + 1
    return 0
