# SPDX-License-Identifier: Apache-2.0
"""The models of coalitions of updates, built in float64."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import InvalidRound
from bcfl.models.training.job import CoalitionsJob
from bcfl.models.weights import Weights

__all__ = ("CoalitionModels", "mask_of")

_Sum = npt.NDArray[np.float64]

_BLOCK = 32
_FULL = (1 << _BLOCK) - 1


def mask_of(coalition: int | Iterable[int], members: int) -> int:
    """A coalition as a bit mask over so many members.

    Raises:
        InvalidRound: it names somebody who is none of them.
    """
    mask = (
        sum(1 << member for member in set(coalition)) if isinstance(coalition, Iterable) else int(coalition)
    )
    if mask < 0 or mask >> members:
        raise InvalidRound(f"Coalition {mask:#b} names a member that is not among the {members} updates.")
    return mask


class CoalitionModels:
    """Builds the model of any coalition from its members alone; which were built before changes nothing.

    Members are summed in blocks, and a block that is wholly inside a coalition is summed once for all
    coalitions, so that a thousand leave-one-out models cost 60 additions each, not 999. Subtracting the
    absent from everybody would be cheaper still, but one huge update would then drown the coalitions
    that it is not in.
    """

    def __init__(self, job: CoalitionsJob) -> None:
        self._job = job
        self._start = job.start.vector.astype(np.float64)
        self._blocks: dict[int, _Sum] = {}

    def model(self, coalition: int) -> Weights:
        """The coalition's weights, rounded once to float32; the empty coalition's are the start."""
        if coalition == 0:
            return self._job.start
        # A hostile update may overflow float32 here; its coalitions then have no finite loss.
        with np.errstate(over="ignore", invalid="ignore"):
            shift = np.zeros_like(self._start)
            for first in range(0, len(self._job.updates), _BLOCK):
                shift += self._within(coalition & (_FULL << first), first)
            if self._job.proportions is None:
                shift /= coalition.bit_count()
            shift += self._start
            return Weights(self._job.start.schema, shift.astype(np.float32))

    def _within(self, members: int, first: int) -> _Sum | float:
        """The sum over those members of the block that begins at ``first``."""
        if members == 0:
            return 0.0
        if members != _FULL << first:
            return self._sum(members, first)
        if first not in self._blocks:
            self._blocks[first] = self._sum(members, first)
        return self._blocks[first]

    def _sum(self, members: int, first: int) -> _Sum:
        """Σ pᵢ(updateᵢ − start) over members of one block, in index order; pᵢ is 1 for a plain mean."""
        total = np.zeros_like(self._start)
        proportions = self._job.proportions
        for member, update in enumerate(self._job.updates[first : first + _BLOCK], start=first):
            if members >> member & 1:
                difference = update.vector - self._start
                if proportions is not None:
                    difference *= proportions[member]
                total += difference
        return total
