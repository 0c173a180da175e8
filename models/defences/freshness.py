# SPDX-License-Identifier: Apache-2.0
"""Freshness: does an update carry gradient signal that was not public?

Let r be the update without its part in the public history and in the updates committed earlier in the round, and
G an orthonormal basis of the per-class validation gradients, projected likewise. Then

    F = ‖G r‖² / Σⱼ rⱼ² ‖G·ⱼ‖²,

whose denominator is the expectation of its numerator under random signs of r's coordinates: noise of any shape has
F ≈ 1, honest work several times that, however late in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.models.defences.history import History, Vectors

__all__ = ("Freshness", "freshness")

_INDEPENDENT = 1e-4
"""A residual below this share of its update's length is rounding error: nothing in it is new."""
_NEGLIGIBLE = 1e-10
"""Of the largest squared strength: directions of the gradients below it are rounding error."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Freshness:
    """Of each update, in the order given.

    Attributes:
        ratio: F (n,), what was committed earlier in the round counted as public.
        alone: F (n,) beside the history alone, which does not depend on who was quicker.
        signal: length of the gradient signal in what is new beside the history alone, (n,).
        residuals: what is new beside the history alone, (n, d).
    """

    ratio: Vectors
    alone: Vectors
    signal: Vectors
    residuals: Vectors


def freshness(updates: Vectors, positions: Sequence[int], gradients: Vectors, history: History) -> Freshness:
    """Freshness of the updates of one round.

    Args:
        updates: (n, d).
        positions: when each was committed; what came earlier is public to what came later.
        gradients: (k, d), of the validation loss of each class, at the start model and where else a trainer may pass.
        history: all that was revealed before.
    """
    beside_history = history.residual(updates)
    residuals = beside_history.copy()
    signal = history.residual(gradients)
    alone, strength = _ratios(beside_history, signal)
    ratio = np.zeros(len(updates))
    lengths = np.linalg.norm(updates, axis=1)
    for place in np.argsort(np.asarray(positions), kind="stable"):
        rest = residuals[place]
        if np.linalg.norm(rest) > _INDEPENDENT * lengths[place]:
            (ratio[place],), _ = _ratios(rest[None], signal)
            direction = rest / np.linalg.norm(rest)
            later = np.asarray(positions) > positions[place]
            residuals[later] -= np.outer(residuals[later] @ direction, direction)
            signal = signal - np.outer(signal @ direction, direction)
    return Freshness(ratio=ratio, alone=alone, signal=strength, residuals=beside_history)


def _ratios(residuals: Vectors, signal: Vectors) -> tuple[Vectors, Vectors]:
    """F of each row, and the length of its part in the span of the signal."""
    # By the small Gram matrix: a singular value decomposition of (k, d) takes ten times as long.
    strength, rotation = np.linalg.eigh(signal @ signal.T)
    kept = strength > _NEGLIGIBLE * max(float(strength[-1]), 1e-300)
    basis = (rotation[:, kept] / np.sqrt(strength[kept])).T @ signal
    expected = np.square(residuals) @ np.square(basis).sum(axis=0)
    found = np.square(residuals @ basis.T).sum(axis=1)
    ratios: Vectors = np.where(expected > 0, found / np.where(expected > 0, expected, 1), 0.0)
    return ratios, np.sqrt(found)
