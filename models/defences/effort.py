# SPDX-License-Identifier: Apache-2.0
"""How much of its score an update earns: by how much gradient signal it adds, and how much of it is nothing else.

A few mini-batches give an update that is short and points straight down the gradient; a whole epoch gives a longer one that
has wandered. Noise lengthens an update but adds no signal, and stretching one does not make it wander.
"""

from __future__ import annotations

import numpy as np

from bcfl.models.defences.history import Vectors

__all__ = ("effort_factors",)


def effort_factors(*, signal: Vectors, ratio: Vectors) -> Vectors:
    """One number in 0 … 1 for each update, (n,): min(1, s/median s) · min(1, median F/F).

    Args:
        signal: s, the length of the signal in what is new beside the history, (n,), n at least 1.
        ratio: F beside the history, (n,). Neither depends on who was quicker in the round.
    """
    usual, straight = float(np.median(signal)), float(np.median(ratio))
    enough = np.minimum(1.0, signal / usual) if usual else np.ones(len(signal))
    wandered = np.minimum(1.0, straight / np.where(ratio > 0, ratio, np.inf)) if straight else 1.0
    factors: Vectors = enough * np.where(ratio > 0, wandered, 1.0)
    return factors
