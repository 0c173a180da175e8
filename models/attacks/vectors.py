# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on updates: float64 vectors of shape (d,)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ("Vector", "disguised", "dot", "norm", "unit")

Vector = npt.NDArray[np.float64]


def dot(a: Vector, b: Vector) -> float:
    """Inner product, by numpy's own sum: a matrix library would wake its threads for it, and round as they cut it."""
    return float(np.multiply(a, b).sum())


def norm(vector: Vector) -> float:
    """Euclidean."""
    return math.sqrt(dot(vector, vector))


def unit(vector: Vector) -> Vector:
    """The direction of a vector; zeros for zeros."""
    length = norm(vector)
    return vector / length if length else vector


def disguised(update: Vector, sigma: float, rng: np.random.Generator) -> Vector:
    """The update with Gaussian noise whose standard deviation is ``sigma`` times the update's root mean square.

    So 1 is 100 % noise: as long as the update, and nearly orthogonal to it.
    """
    if sigma == 0:
        return update
    noise: Vector = rng.standard_normal(update.shape)
    return update + noise * (sigma * norm(update) / math.sqrt(update.size))
