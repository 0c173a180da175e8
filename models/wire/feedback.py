# SPDX-License-Identifier: Apache-2.0
"""Error feedback: what a codec leaves out of an update is added to the next one (Karimireddy et al. 2019, arXiv 1901.09847)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bcfl.models.weights import Weights
from bcfl.models.wire.packed import Packing

__all__ = ("ErrorFeedback",)

_Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Left:
    """By which round's update; ``before`` is what was still owed where that never arrived."""

    round: int
    before: _Vector | None
    after: _Vector


class ErrorFeedback:
    """Of one member in one task; a new start forgets it, which costs no more than what was left out."""

    def __init__(self) -> None:
        self._left: _Left | None = None

    def added(
        self, weights: Weights, packing: Packing, *, number: int, arrived: Callable[[int], bool]
    ) -> Weights:
        """The model to be packed in round ``number``, with what is owed from earlier ones.

        Args:
            weights: the model after training.
            packing: of the round.
            number: of the round; of one that is done again, what its first update left out counts for nothing.
            arrived: whether this member's update of that earlier round was handed in.
        """
        left, owed = self._left, None
        if left is not None:
            owed = left.after if left.round != number and arrived(left.round) else left.before
        whole = weights if owed is None else Weights(weights.schema, weights.vector + owed)
        self._left = _Left(round=number, before=owed, after=packing.lost(whole).vector)
        return whole
