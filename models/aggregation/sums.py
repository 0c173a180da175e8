# SPDX-License-Identifier: Apache-2.0
"""Sums, norms, dot products and distances of long vectors, the same bits on every machine.

``np.sum`` and ``np.dot`` add in an order that depends on the machine's vector width and its BLAS. Here a block of 2¹⁶
float64 is folded in half again and again by elementwise additions (element i takes element i + half), and the sums of
the blocks are added one after the other; products and sums are separate operations, so none is fused. The error grows
with log d. Exact sums (``math.fsum``) would repeat as well, 40 times slower.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ("Vector", "distance", "dot", "norm", "squared_distance", "total")

Vector = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""A vector of shape (d,). Squares of float32 values, and sums of them, are far inside the range of float64."""

_BLOCK = 1 << 16  # part of the definition: another block size gives other last bits


def total(values: npt.NDArray[np.float64]) -> float:
    """The sum of a vector's elements; 0.0 if it has none."""
    return sum(
        (_halve(values[begin : begin + _BLOCK].copy()) for begin in range(0, values.size, _BLOCK)), 0.0
    )


def dot(first: Vector, second: Vector) -> float:
    """Σ aᵢ·bᵢ of two vectors of one length; products of float32 values are exact."""
    result = 0.0
    for begin in range(0, first.size, _BLOCK):
        block = slice(begin, begin + _BLOCK)
        result += _halve(np.multiply(first[block], second[block], dtype=np.float64))
    return result


def squared_distance(first: Vector, second: Vector) -> float:
    """Σ (aᵢ − bᵢ)² of two vectors of one length; it does not depend on which is first."""
    result = 0.0
    for begin in range(0, first.size, _BLOCK):
        block = slice(begin, begin + _BLOCK)
        difference = np.subtract(first[block], second[block], dtype=np.float64)
        result += _halve(np.multiply(difference, difference, out=difference))
    return result


def norm(vector: Vector) -> float:
    """The Euclidean norm."""
    return math.sqrt(dot(vector, vector))


def distance(first: Vector, second: Vector) -> float:
    """The Euclidean distance."""
    return math.sqrt(squared_distance(first, second))


def _halve(values: npt.NDArray[np.float64]) -> float:
    """The sum of a block, which is overwritten."""
    size = values.size
    while size > 1:
        half = (size + 1) // 2
        np.add(values[: size - half], values[half:size], out=values[: size - half])
        size = half
    return float(values[0]) if values.size else 0.0
