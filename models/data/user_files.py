# SPDX-License-Identifier: Apache-2.0
"""A user's own data: arrays in an ``.npz`` file, or a table in a ``.csv`` file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.data.cache import load_arrays, user_data_dir
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import register

__all__ = ("CsvFile", "NpzFile")

_REQUIRED = ("x_train", "y_train", "x_test", "y_test")


@register("dataset", "npz")
@dataclass(frozen=True, kw_only=True)
class NpzFile:
    """Arrays x_train, y_train, x_test, y_test of an .npz file, and owners_train, owners_test where it has them.

    A network sees ``x · scale``; give 1/255 for pixels. Images need their channel: (n, 1, 28, 28).
    """

    path: Path
    scale: float = 1.0
    licence: str = "not stated"

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set; a relative path is looked for in the data directory first.

        Raises:
            DataUnavailable: there is no such file.
            DataCorrupt: its arrays do not fit together.
        """
        path = _locate(self.path, data_dir)
        arrays = load_arrays(path, _REQUIRED, optional=("owners_train", "owners_test"))
        return Dataset(
            name=path.stem,
            train=self._samples(arrays, "train", path),
            test=self._samples(arrays, "test", path),
            source=path.name,
            licence=self.licence,
        )

    def _samples(self, arrays: dict[str, npt.NDArray[Any]], part: str, path: Path) -> Samples:
        inputs, targets, owners = arrays[f"x_{part}"], arrays[f"y_{part}"], arrays.get(f"owners_{part}")
        if not np.issubdtype(targets.dtype, np.integer):
            raise DataCorrupt(f"y_{part} of {path} must hold classes as integers, not {targets.dtype}.")
        if inputs.dtype != np.uint8:
            inputs = inputs.astype(np.float32)
        return Samples(
            inputs=inputs,
            targets=targets.astype(np.int64),
            owners=None if owners is None else np.unique(owners, return_inverse=True)[1].astype(np.int64),
            scale=self.scale,
        )


@register("dataset", "csv")
@dataclass(frozen=True, kw_only=True)
class CsvFile:
    """A table with a header line: one column holds the class, an optional one the owner, the others numbers.

    Rows with a missing number are left out. Columns are standardised by mean and deviation of the
    training part, and ``test_fraction`` of the rows, drawn under ``seed``, are kept to test on.
    """

    path: Path
    target: str
    owner: str | None = None
    test_fraction: float = 0.2
    seed: int = 0
    standardize: bool = True
    licence: str = "not stated"

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set; a relative path is looked for in the data directory first.

        Raises:
            DataUnavailable: there is no such file.
            DataCorrupt: a column is missing, or no row is complete.
        """
        path = _locate(self.path, data_dir)
        features, targets, owners = self._read(path)
        order = np.random.Generator(np.random.PCG64(self.seed)).permutation(len(targets))
        held_out = round(len(order) * self.test_fraction)
        if not 0 < held_out < len(order):
            raise DataCorrupt(
                f"{path} has {len(order)} complete rows, of which {self.test_fraction:.0%} cannot be kept for testing."
            )
        test, train = order[:held_out], order[held_out:]
        if self.standardize:
            deviation = features[train].std(axis=0)
            features = (features - features[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        everything = Samples(inputs=features.astype(np.float32), targets=targets, owners=owners)
        return Dataset(
            name=path.stem,
            train=everything.select(train),
            test=everything.select(test),
            source=path.name,
            licence=self.licence,
        )

    def _read(
        self, path: Path
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                header, rows = list(reader.fieldnames or ()), list(reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataCorrupt(
                f"{path} is not a table of comma-separated values in UTF-8: {error}."
            ) from error
        for column in filter(None, (self.target, self.owner)):
            if column not in header:
                raise DataCorrupt(f"{path} has no column '{column}'; its columns are: {', '.join(header)}.")
        numeric = [column for column in header if column not in (self.target, self.owner)]
        features: list[list[float]] = []
        labels: list[str] = []
        owners: list[str] = []
        for row in rows:
            numbers = [_number(row[column]) for column in numeric]
            if all(np.isfinite(numbers)) and row[self.target]:
                features.append(numbers)
                labels.append(row[self.target])
                owners.append(row[self.owner] if self.owner else "")
        if not features or not numeric:
            raise DataCorrupt(f"{path} has no row whose columns {', '.join(numeric)} all hold numbers.")
        return np.array(features), _ranks(labels), _ranks(owners) if self.owner else None


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _ranks(names: list[str]) -> npt.NDArray[np.int64]:
    """Each name's place among the distinct names, which sort as numbers where all are numbers."""
    distinct = sorted(set(names))
    if all(np.isfinite(_number(name)) for name in distinct):
        distinct.sort(key=float)
    rank = {name: place for place, name in enumerate(distinct)}
    return np.array([rank[name] for name in names], dtype=np.int64)


def _locate(path: Path, data_dir: Path | None) -> Path:
    directory = user_data_dir(data_dir)
    for candidate in ((directory / path,) if directory is not None else ()) + (path.expanduser(),):
        if candidate.is_file():
            return candidate
    where = f"in {directory} or " if directory is not None else ""
    raise DataUnavailable(f"There is no data file {path} {where}in the working directory: correct its path.")
