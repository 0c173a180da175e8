# SPDX-License-Identifier: Apache-2.0
"""What a federation's data look like: who has how many samples of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Dataset, Samples

__all__ = ("Statistics", "by_owner", "statistics")


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Of c clients and k classes.

    ``names`` (c,); ``histogram`` (c, k): how many samples of each class a client has.
    """

    names: tuple[str, ...]
    histogram: npt.NDArray[np.int64]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Samples of each client, (c,)."""
        sizes: npt.NDArray[np.int64] = self.histogram.sum(axis=1)
        return sizes

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """Samples of each class, (k,)."""
        classes: npt.NDArray[np.int64] = self.histogram.sum(axis=0)
        return classes

    @property
    def skew(self) -> float:
        """How far clients' classes are from everybody's: mean total variation distance by sample, 0 (alike) to 1."""
        whole = self.classes / self.classes.sum()
        shares = self.histogram / np.maximum(self.sizes, 1)[:, None]
        apart = np.abs(shares - whole).sum(axis=1) / 2
        return float((apart * self.sizes).sum() / self.sizes.sum())


def statistics(
    samples: Samples, parts: Sequence[npt.NDArray[np.int64]], names: Sequence[str], classes: int
) -> Statistics:
    """Of clients that have those ``parts``, index arrays into ``samples``, whose targets are below ``classes``."""
    rows = [np.bincount(samples.targets[part], minlength=classes) for part in parts]
    return Statistics(
        names=tuple(names), histogram=np.array(rows, dtype=np.int64).reshape(len(rows), classes)
    )


def by_owner(dataset: Dataset) -> Statistics | None:
    """Of the owners of both parts' samples, called as the data call them, else by number; None where the data bring none."""
    owned = [part for part in (dataset.train, dataset.test) if part.owners is not None]
    if not owned:
        return None
    classes, names = dataset.classes, dataset.owner_names
    whose = np.concatenate([part.owners for part in owned if part.owners is not None])
    targets = np.concatenate([part.targets for part in owned])
    owners, places = np.unique(whose, return_inverse=True)
    counts = np.bincount(places * classes + targets, minlength=len(owners) * classes)
    called = tuple(names[owner] if owner < len(names) else str(owner) for owner in owners.tolist())
    return Statistics(names=called, histogram=counts.reshape(len(owners), classes))
