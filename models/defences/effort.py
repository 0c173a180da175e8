# SPDX-License-Identifier: Apache-2.0
"""How much of its score an update earns: by how much gradient signal it adds, and how much of it is nothing else.

A few mini-batches give an update that is short and points straight down the gradient; a whole epoch gives a longer one that
has wandered. Noise lengthens an update but adds no signal, and stretching one does not make it wander.

Both are held against the median of the round. Whoever has a smaller weight in the game than the median, because it claims
fewer samples, owes as much less: it is paid less already, by the game. Where all weights are equal, claims excuse nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bcfl.models.defences.blocks import Vectors

__all__ = ("effort_factors",)


def effort_factors(*, signal: Vectors, ratio: Vectors, weights: Sequence[int]) -> Vectors:
    """One number in 0 … 1 for each update, (n,): min(1, s/(ω median s)) · min(1, median F/(ω F)), ω = min(1, p/median p).

    Args:
        signal: s, the length of the signal in what is new beside the history, (n,), n at least 1.
        ratio: F beside the history, (n,). Neither depends on who was quicker in the round.
        weights: p, in the game that is paid, at least 0.
    """
    usual, straight, weight = (float(np.median(of)) for of in (signal, ratio, weights))
    owed = np.minimum(1.0, np.maximum(np.array(weights, dtype=float), 1e-9) / weight) if weight else 1.0
    enough = np.minimum(1.0, signal / (owed * usual)) if usual else np.ones(len(signal))
    wandered = np.minimum(1.0, straight / (owed * np.where(ratio > 0, ratio, np.inf))) if straight else 1.0
    factors: Vectors = enough * np.where(ratio > 0, wandered, 1.0)
    return factors
