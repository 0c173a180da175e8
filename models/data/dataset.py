# SPDX-License-Identifier: Apache-2.0
"""What a data set is: samples to train on, samples to test on, and a digest of both."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import DataCorrupt

if TYPE_CHECKING:
    from bcfl.models.data.table_encoding import TableEncoding

__all__ = ("Dataset", "DatasetSource", "Samples", "shape_words")


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Inputs with their classes, treated as immutable.

    ``inputs`` is a uint8 or float32 array (n, ...); a network sees ``inputs · scale`` as float32, so that
    images stay one byte a pixel. With ``tokens`` it is a uint8 or int64 array (n, length) of a vocabulary's numbers,
    which a network sees as int64. ``targets`` is an int64 array (n,) of classes from 0. ``owners``, where the
    data bring it, is an int64 array (n,) that says whose sample it is (a writer, a hospital).
    """

    inputs: npt.NDArray[Any]
    targets: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64] | None = None
    scale: float = 1.0
    tokens: bool = False

    def __post_init__(self) -> None:
        count = len(self.targets)
        wanted = (np.uint8, np.int64) if self.tokens else (np.uint8, np.float32)
        if self.inputs.dtype not in wanted or self.targets.dtype != np.int64:
            raise DataCorrupt(
                f"{'Sequences of tokens' if self.tokens else 'Samples'} are {' or '.join(one.__name__ for one in wanted)} inputs with "
                f"int64 targets, not {self.inputs.dtype} with {self.targets.dtype}."
            )
        if len(self.inputs) != count or self.targets.ndim != 1:
            raise DataCorrupt(
                f"Samples need one target each, not {self.targets.shape} targets for {len(self.inputs)} inputs."
            )
        if self.owners is not None and self.owners.shape != (count,):
            raise DataCorrupt(
                f"Samples need one owner each, not {self.owners.shape} owners for {count} inputs."
            )
        if count and int(self.targets.min()) < 0:
            raise DataCorrupt("Classes are counted from 0, but there is a negative target.")

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def classes(self) -> int:
        """One more than the largest class."""
        return int(self.targets.max()) + 1 if len(self) else 0

    @cached_property
    def vocabulary(self) -> int:
        """One more than the largest token; 0 where the inputs are none."""
        return int(self.inputs.max()) + 1 if self.tokens and self.inputs.size else 0

    def select(self, indices: npt.NDArray[np.int64]) -> Samples:
        """A copy of the samples at these indices, in their order."""
        return dataclasses.replace(
            self,
            inputs=self.inputs[indices],
            targets=self.targets[indices],
            owners=None if self.owners is None else self.owners[indices],
        )

    def digest(self) -> str:
        """The sha256 of dtype, shape and bytes of every array, and of what a network sees of them."""
        digest = hashlib.sha256(("tokens" if self.tokens else repr(self.scale)).encode())
        for array in (self.inputs, self.targets, self.owners):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A named data set with where it comes from and under which licence.

    ``owner_names`` are of the owners 0, 1, …, and ``class_names`` of the classes, where the data name them; ``notes`` say in words
    what was left out, changed or chosen; ``encoding`` how a table's rows became features.
    """

    name: str
    train: Samples
    test: Samples
    source: str
    licence: str
    owner_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: TableEncoding | None = None

    @property
    def classes(self) -> int:
        """One more than the largest class of either part."""
        return max(self.train.classes, self.test.classes)

    def labels(self, count: int) -> tuple[str, ...]:
        """What each of so many classes is called, its number where it has no name."""
        return (*self.class_names[:count], *map(str, range(len(self.class_names), count)))

    @cached_property
    def digest(self) -> str:
        """The sha256 of the content of ``train`` and ``test``; the same for the same data on any machine."""
        return hashlib.sha256((self.train.digest() + self.test.digest()).encode()).hexdigest()


class DatasetSource(Protocol):
    """An entry of kind ``dataset``: a frozen dataclass whose fields are its parameters."""

    def load(self, data_dir: Path | None) -> Dataset:
        """The data set, from ``data_dir`` where that is given.

        Raises:
            DataUnavailable: it is not there and cannot be fetched.
            DataCorrupt: it is there, but not what it should be.
        """
        ...


def shape_words(shape: Sequence[int]) -> str:
    """The shape of a sample for people: ``1 × 28 × 28``."""
    return " × ".join(map(str, shape)) or "of single numbers"
