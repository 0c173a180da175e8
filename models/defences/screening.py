# SPDX-License-Identifier: Apache-2.0
"""Which updates of a round are nobody's own work, and whether that is beyond doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.models.defences.blocks import Vectors
from bcfl.models.defences.defence import Fault
from bcfl.models.defences.freshness import Freshness
from bcfl.models.defences.novelty import (
    EQUAL,
    Member,
    copies_by_digest,
    copies_by_direction,
    copies_by_outputs,
)

__all__ = ("Screen", "Screening", "same_models")

_LITTLE = 0.25
"""Of the round's median freshness: what a copy holds of its own at most."""
_WEAK = 1 / 3
"""Of the round's median: what an update must have where the median is not far above noise."""
_LOGIT = 1e4


def same_models(
    digests: Mapping[Member, bytes], positions: Mapping[Member, int], known: frozenset[bytes], start: bytes
) -> dict[Member, Fault]:
    """Whose model is another's bit for bit: nothing has to be measured for that.

    Who sends the round's own model back unchanged has done nothing, and copied nobody.

    Args:
        digests: canonical, of each model.
        positions: when each was committed.
        known: digests of everything public before the round.
        start: digest of the round's own model.
    """
    idle = {member: Fault.NO_NEW_WORK for member, digest in digests.items() if digest == start}
    return dict.fromkeys(copies_by_digest(digests, positions, known), Fault.COPIED) | idle


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Faults by place; those in ``certain`` no honest member could commit, of the others one is forgiven."""

    faults: Mapping[int, Fault]
    certain: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Screen:
    """Thresholds of novelty and freshness.

    Attributes:
        fresh: standard deviations above noise from which an update holds something new; less in a round whose median
            is not that far above noise itself.
        empty: of the median length: an update shorter than that may be an honest one that had nothing left to learn.
        direction: cosine of deviations at which an update is like an earlier one of the round.
        outputs: the same of what two models' outputs deviate by,
        distance: which must also lie this near to each other, as a share of their change.
    """

    fresh: float = 4.0
    empty: float = 0.02
    direction: float = 0.9
    outputs: float = 0.98
    distance: float = 0.15

    def copies(
        self,
        *,
        digests: Sequence[bytes],
        known: frozenset[bytes],
        start: bytes,
        updates: Vectors,
        outputs: Vectors,
        positions: Sequence[int],
        fresh: Freshness,
    ) -> Screening:
        """Whose update is somebody else's.

        Two members whose samples are all of one class deviate from the round alike. So likeness alone is in doubt; it is
        certain where the later one holds nothing beside the earlier, or computes the same.

        Args:
            digests: canonical, of each model.
            known: of everything public before the round.
            start: of the round's own model.
            updates: (n, d).
            outputs: logits of the start model and of each update on the same samples, (n + 1, probe, classes).
            positions: when each was committed.
            fresh: of each update.
        """
        same = same_models(dict(enumerate(digests)), dict(enumerate(positions)), known, start)
        idle = {place for place, fault in same.items() if fault is Fault.NO_NEW_WORK}
        moved = np.clip(np.nan_to_num(outputs[1:] - outputs[0]), -_LOGIT, _LOGIT)
        moved = moved.reshape(len(moved), outputs[0].size)
        # Beside saboteurs all honest updates deviate from the round alike: a copy also holds little of its own.
        alike = copies_by_direction(updates, positions, cosine=self.direction) & self._poor(fresh)
        alike |= copies_by_outputs(moved, positions, cosine=self.outputs, distance=self.distance)
        equal = copies_by_outputs(moved, positions, cosine=self.outputs, distance=EQUAL)
        hollow = alike & self._hollow(fresh)
        return Screening(
            faults=dict.fromkeys(sorted(alike), Fault.COPIED) | same,
            certain=frozenset((same.keys() | equal | hollow) - idle),
        )

    def stale(self, *, updates: Vectors, fresh: Freshness) -> Screening:
        """Whose update holds nothing but noise beside what was public and what others handed in.

        Beyond doubt it is only where the history alone has all of it: beside others of the same round, accomplices
        could try to take away what an honest member has to show. Nor is it where the round's median is hardly above noise:
        where honest work and noise overlap, one honest update in a hundred may look like noise.
        """
        lengths = np.linalg.norm(updates, axis=1)
        usual = float(np.median(lengths)) if len(lengths) else 0.0
        low = self._hollow(fresh)
        least = self._least(fresh.alone)
        sure = (fresh.alone < least) & (lengths >= self.empty * usual) & (least >= self.fresh)
        return Screening(
            faults=dict.fromkeys(sorted(low), Fault.NO_NEW_WORK),
            certain=frozenset(place for place in low if sure[place]),
        )

    def _poor(self, fresh: Freshness) -> frozenset[int]:
        """Who has at most a quarter of what is usual in the round; everybody, where that cannot be measured."""
        line = max(self.fresh, float(np.median(fresh.beside)) * _LITTLE) if len(fresh.beside) else 0.0
        return frozenset(map(int, np.flatnonzero((fresh.beside <= line) | fresh.crowded)))

    def _hollow(self, fresh: Freshness) -> frozenset[int]:
        return frozenset(map(int, np.flatnonzero(fresh.beside < self._least(fresh.beside))))

    def _least(self, found: Vectors) -> float:
        return min(self.fresh, float(np.median(found)) * _WEAK) if len(found) else 0.0
