# SPDX-License-Identifier: Apache-2.0
"""Which class a model takes for which: the confusion matrix, and precision, recall and F1 that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ("Confusion",)

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """The cells of a matrix (k, k) that are not 0; most of a large vocabulary's are.

    ``cells`` (m, 3): class, what the model says, samples; sorted. A share of nothing is 0: the precision of a class that the model
    never says, the recall of one that no sample has.
    """

    cells: Counts
    classes: int

    @classmethod
    def of(cls, targets: Counts, said: Counts, classes: int) -> Confusion:
        """Of n samples' classes and what the model says of them, (n,) each, below ``classes``."""
        pairs, counts = np.unique(np.stack([targets, said], axis=1), axis=0, return_counts=True)
        return cls(cells=np.concatenate([pairs, counts[:, None]], axis=1).astype(np.int64), classes=classes)

    @classmethod
    def of_cells(cls, cells: Iterable[Sequence[int]], classes: int) -> Confusion:
        """From class, what the model says, samples."""
        return cls(
            cells=np.array([tuple(cell) for cell in cells], dtype=np.int64).reshape(-1, 3), classes=classes
        )

    @property
    def samples(self) -> int:
        """All of them."""
        return int(self.cells[:, 2].sum())

    @property
    def accuracy(self) -> float:
        """The share that is called what it is."""
        return float(self.right.sum() / max(1, self.samples))

    @property
    def of_class(self) -> Counts:
        """Samples of each class, (k,)."""
        return self._summed(self.cells[:, 0], self.cells[:, 2])

    @property
    def right(self) -> Counts:
        """Samples of each class that are called so, (k,)."""
        equal = self.cells[:, 0] == self.cells[:, 1]
        return self._summed(self.cells[equal, 0], self.cells[equal, 2])

    @property
    def precision(self) -> Floats:
        """Of what the model calls a class, the share that is of it, (k,)."""
        return self._share(self._said)

    @property
    def recall(self) -> Floats:
        """Of the samples of a class, the share that the model calls so, (k,)."""
        return self._share(self.of_class)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall, (k,)."""
        return self._share((self._said + self.of_class) / 2)

    def macro(self, by_class: Floats) -> float:
        """The mean over the classes that samples have, each counting alike."""
        there = self.of_class > 0
        return float(by_class[there].mean()) if there.any() else 0.0

    @property
    def mistakes(self) -> dict[int, tuple[int, int]]:
        """For what a class is most often taken, and how often, where it is taken for another."""
        found: dict[int, tuple[int, int]] = {}
        for true, said, count in self.cells.tolist():
            if true != said and count > found.get(true, (0, 0))[1]:
                found[true] = (said, count)
        return found

    @property
    def _said(self) -> Counts:
        return self._summed(self.cells[:, 1], self.cells[:, 2])

    def _summed(self, at: Counts, counts: Counts) -> Counts:
        total = np.zeros(self.classes, dtype=np.int64)
        np.add.at(total, at, counts)
        return total

    def _share(self, of: Counts | Floats) -> Floats:
        share: Floats = self.right / np.maximum(of, 1e-9) * (of > 0)
        return share
