# SPDX-License-Identifier: Apache-2.0
"""Updates of a round as rows, and what is computed of many of them a few rows at a time.

A thousand updates take 150 MB a copy in float32, and twice that wherever numpy meets float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.defences.many import is_many

__all__ = (
    "Columns",
    "Vectors",
    "by_rows",
    "column_blocks",
    "cosines_of_many",
    "gram",
    "gram_of",
    "lengths",
    "mean_of_shortened",
    "row_blocks",
    "sum_of_rows",
)

Vectors = npt.NDArray[np.floating[Any]]

_ROWS = 32
_COLUMNS = 4096
"""Of many updates, that are in double precision at a time."""

Columns = Callable[[slice], npt.NDArray[np.float64]]
"""Some columns of rows that need not lie together, (n, columns)."""


def row_blocks(vectors: Vectors, places: Sequence[int] | None = None) -> Iterator[Vectors]:
    """A few rows each, all at once of few: views, or copies of those at ``places``."""
    count = len(vectors) if places is None else len(places)
    size = _ROWS if is_many(count) else max(1, count)
    for first in range(0, count, size):
        yield vectors[first : first + size] if places is None else vectors[places[first : first + size]]


def by_rows(
    vectors: Vectors, told: Callable[[Vectors], Vectors], places: Sequence[int] | None = None
) -> Vectors:
    """What is told of each row of (n, d), or of those at ``places``, along the first axis; there must be one."""
    return np.concatenate([told(rows) for rows in row_blocks(vectors, places)])


def lengths(vectors: Vectors, places: Sequence[int] | None = None) -> Vectors:
    """Euclidean length of each row of (n, d), or of those at ``places``, (n,)."""
    if not len(vectors):
        return np.zeros(0)
    return by_rows(vectors, lambda rows: np.linalg.norm(rows, axis=1), places)


def sum_of_rows(vectors: Vectors, weights: Vectors, places: Sequence[int] | None = None) -> Vectors:
    """Σ weightsᵢ · rowᵢ of (n, d), or of those at ``places``, summed in float64, (d,)."""
    total = np.zeros(vectors.shape[1])
    for rows, some in zip(row_blocks(vectors, places), row_blocks(weights), strict=True):
        total += some @ rows.astype(np.float64, copy=False)
    return total


def mean_of_shortened(vectors: Vectors) -> npt.NDArray[np.float64]:
    """The mean of the rows (n, d), those longer than the median cut down to it, (d,)."""
    sizes = lengths(vectors)
    factors = np.minimum(1.0, np.median(sizes) / np.where(sizes > 0, sizes, 1))[:, None]
    total = np.zeros(vectors.shape[1])
    for rows, some in zip(row_blocks(vectors), row_blocks(factors), strict=True):
        # no product of matrices: its sums follow the processor
        total += (rows * some).sum(axis=0, dtype=np.float64)
    return total / len(vectors)


def gram(vectors: Vectors) -> npt.NDArray[np.float64]:
    """Inner products of the rows (n, d), as ``gram_of`` has them."""
    return gram_of(lambda columns: vectors[:, columns].astype(np.float64), vectors.shape[1])


def gram_of(rows: Columns, width: int) -> npt.NDArray[np.float64]:
    """Inner products (n, n) of rows of ``width`` columns, summed in float64 also where they are float32.

    How a matrix library splits a sum follows the processor and its threads: in float32 that would show in what an evaluator reports.
    """
    found = np.zeros(())
    for columns in column_blocks(width):
        part = rows(columns)
        found = found + part @ part.T
    return found


def column_blocks(width: int) -> Iterator[slice]:
    """A few columns each, of all ``width``."""
    for first in range(0, width, _COLUMNS):
        yield slice(first, first + _COLUMNS)


def cosines_of_many(vectors: Vectors) -> npt.NDArray[np.float64]:
    """Cosines (n, n) between rows; 0 where one is nothing."""
    inner = gram(vectors)
    sizes = np.sqrt(np.diag(inner))
    sizes = np.where(sizes > 0, sizes, 1)
    cosines: npt.NDArray[np.float64] = inner / np.outer(sizes, sizes)
    return cosines
