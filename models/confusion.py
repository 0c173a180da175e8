# SPDX-License-Identifier: Apache-2.0
"""Which class a model takes for which: the confusion matrix, and precision, recall and F1 that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ("Confusion",)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """``matrix`` (k, k): samples by their class (rows) and by what the model says (columns).

    A share of nothing is 0: the precision of a class that the model never says, the recall of one that no sample has.
    """

    matrix: npt.NDArray[np.int64]

    @property
    def samples(self) -> int:
        """All of them."""
        return int(self.matrix.sum())

    @property
    def accuracy(self) -> float:
        """The share that is on the diagonal."""
        return float(np.trace(self.matrix) / max(1, self.samples))

    @property
    def precision(self) -> Floats:
        """Of what the model calls a class, the share that is of it, (k,)."""
        return self._share(self.matrix.sum(axis=0))

    @property
    def recall(self) -> Floats:
        """Of the samples of a class, the share that the model calls so, (k,)."""
        return self._share(self.matrix.sum(axis=1))

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall, (k,)."""
        return self._share((self.matrix.sum(axis=0) + self.matrix.sum(axis=1)) / 2)

    def macro(self, by_class: Floats) -> float:
        """The mean over the classes that samples have, each counting alike."""
        there = self.matrix.sum(axis=1) > 0
        return float(by_class[there].mean()) if there.any() else 0.0

    @property
    def cells(self) -> list[list[int]]:
        """What is not 0, row by row: class, what the model says, samples."""
        return [[int(a), int(b), int(self.matrix[a, b])] for a, b in np.argwhere(self.matrix)]

    @classmethod
    def of_cells(cls, cells: list[list[int]] | tuple[tuple[int, int, int], ...], classes: int) -> Confusion:
        """The inverse of ``cells``."""
        matrix = np.zeros((classes, classes), dtype=np.int64)
        for true, said, count in cells:
            matrix[true, said] = count
        return cls(matrix=matrix)

    def _share(self, of: npt.NDArray[np.int64] | Floats) -> Floats:
        share: Floats = np.diag(self.matrix) / np.maximum(of, 1e-9) * (of > 0)
        return share
