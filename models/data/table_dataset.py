# SPDX-License-Identifier: Apache-2.0
"""From the columns of a table to a data set: what is left out, imputed, standardised and kept to test on, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.raw_table import BadValue, RawTable
from bcfl.models.data.table_columns import Column, Missing, classes_of, column_of, is_missing, ranks
from bcfl.models.data.table_encoding import Feature, TableEncoding
from bcfl.models.errors import DataCorrupt

__all__ = ("TableFile",)

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_UNNAMED = re.compile(r"\s*|Unnamed: \d+")
"""Headings of columns without one, as they stand in a file or as pandas writes them."""


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """What entries that read tables have in common: their keys, and how a table becomes a data set."""

    path: Path
    target: str
    owner: str | None = None
    ignore: tuple[str, ...] = ()
    missing: Missing = "drop"
    test_fraction: float = 0.2
    seed: int = 0
    standardize: bool | Literal["pooled"] = True
    licence: str = "not stated"

    def __post_init__(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise ValueError(f"test_fraction must be above 0 and below 1, not {self.test_fraction}")

    @property
    def labels(self) -> tuple[str, ...]:
        """Columns that are no features."""
        return (self.target,) if self.owner is None else (self.target, self.owner)

    def made(self, table: RawTable, path: Path, place: Callable[[int], str]) -> Dataset:
        """The data set of a table; ``place`` names a row."""
        try:
            return _Made(self, table, path).dataset()
        except BadValue as error:
            raise self.placed(error, path, place) from error

    @staticmethod
    def placed(error: BadValue, path: Path, place: Callable[[int], str]) -> DataCorrupt:
        """What is wrong, and where."""
        where = str(path) if error.row is None else f"{place(error.row)} of {path}"
        return DataCorrupt(f"In {where} {error}.")


class _Made:
    """A table while it becomes a data set, column by column, so that no second copy of all of it is ever there."""

    def __init__(self, source: TableFile, table: RawTable, path: Path) -> None:
        self.source, self.table, self.path = source, table, path
        self.notes: list[str] = []
        self.encoding: list[Feature] = []
        self._check_names()
        self.classes = classes_of(source.target, table.columns[source.target])
        self.owners = None if source.owner is None else ranks(source.owner, table.columns[source.owner])
        self.features = [name for name in table.columns if name not in {*source.labels, *source.ignore}]
        if not self.features:
            raise DataCorrupt(
                f"{path} has no column beside {', '.join(source.labels)}: there is nothing to learn from."
            )

    def _check_names(self) -> None:
        names, path = list(self.table.columns), self.path
        for name in self.source.labels:
            if name not in names:
                raise DataCorrupt(f"{path} has no column '{name}'; its columns are: {', '.join(names)}.")
        strangers = [name for name in self.source.ignore if name not in names]
        if strangers:
            raise DataCorrupt(
                f"{path} has no column '{strangers[0]}', which data.dataset.ignore names; its columns are: {', '.join(names)}."
            )
        for place, name in enumerate(names, start=1):
            if _UNNAMED.fullmatch(name) and name not in self.source.ignore:
                raise DataCorrupt(
                    f"Column {place} of {path} has no name; it may be an index, from which the class can be read off: leave it out "
                    f'with data.dataset.ignore: ["{name}"], or give it a name.'
                )

    def dataset(self) -> Dataset:
        source = self.source
        keep = self._kept()
        order = np.random.Generator(np.random.PCG64(source.seed)).permutation(len(keep))
        held_out = round(len(order) * source.test_fraction)
        if not 0 < held_out < len(order):
            raise DataCorrupt(
                f"{self.path} has {len(order)} complete rows, of which {source.test_fraction:.0%} cannot be kept for testing."
            )
        targets = self.classes.targets[keep]
        test, train = self._with_all_classes(order[:held_out], order[held_out:], targets)
        groups = self._groups(keep, train)
        owners = None if self.owners is None else self.owners.targets[keep]
        columns = self._columns(keep, groups)
        # Column by column in memory, so that no page of it is taken before the column that is dealt out is given back.
        learned, tested = (
            np.empty((len(part), len(columns)), dtype=np.float32, order="F") for part in (train, test)
        )
        for place in reversed(range(len(columns))):
            values = columns.pop()()  # its memory is given back before the next is made
            learned[:, place], tested[:, place] = values[train], values[test]
        self._note_classes(targets)

        def samples(inputs: npt.NDArray[np.float32], part: Indices) -> Samples:
            return Samples(
                inputs=np.ascontiguousarray(inputs),
                targets=targets[part],
                owners=None if owners is None else owners[part],
            )

        return Dataset(
            name=self.path.stem,
            train=samples(learned, train),
            test=samples(tested, test),
            source=self.path.name,
            licence=source.licence,
            owner_names=() if self.owners is None else self.owners.labels,
            class_names=self.classes.labels,
            encoding=TableEncoding(
                target=source.target,
                features=tuple(self.encoding),
                standardized=bool(source.standardize),
            ),
            notes=tuple(self.notes),
        )

    def _with_all_classes(
        self, test: Indices, train: Indices, targets: npt.NDArray[np.int64]
    ) -> tuple[Indices, Indices]:
        """What is never trained on cannot be tested on: rows of a class that chance has put into the test part alone change sides."""
        alone = np.isin(targets[test], np.setdiff1d(targets[test], targets[train]))
        if not alone.any():
            return test, train
        rare = ", ".join(f"'{self.classes.labels[n]}'" for n in np.unique(targets[test][alone]))
        self.notes.append(f"all rows of {rare} are trained on: there are too few to test on too")
        return test[~alone], np.concatenate([train, test[alone]])

    def _kept(self) -> Indices:
        """Rows that have a class and an owner and, unless that is mended, every feature."""
        rows = self.table.rows
        keep = self.classes.targets >= 0
        lacking = {self.source.target: int(rows - keep.sum())}
        if self.owners is not None:
            keep &= self.owners.targets >= 0
            lacking[str(self.source.owner)] = int((self.owners.targets < 0).sum())
        if self.source.missing == "drop":
            for name in self.features:
                gone = is_missing(self.table.columns[name])
                lacking[name] = int(gone.sum())
                keep &= ~gone
        left_out = int(rows - keep.sum())
        if left_out:
            told = ", ".join(f"'{name}' in {count:,}" for name, count in lacking.items() if count)
            self.notes.append(f"{left_out:,} of {rows:,} rows are left out, which lack {told}")
        self._check_owners(keep)
        if not keep.any():
            raise DataCorrupt(
                f"{self.path} has no row that has every value: leave columns out with data.dataset.ignore, or write missing: impute."
            )
        return np.flatnonzero(keep)

    def _check_owners(self, keep: npt.NDArray[np.bool_]) -> None:
        """Nobody loses all rows without a word."""
        if self.owners is None:
            return
        for number, owner in enumerate(self.owners.labels):
            own = self.owners.targets == number
            if not (own & keep).any():
                wanting = [name for name in self.features if is_missing(self.table.columns[name])[own].all()]
                why = f", for want of {', '.join(repr(name) for name in wanting)}" if wanting else ""
                raise DataCorrupt(
                    f"All {int(own.sum()):,} rows of the owner '{owner}' in {self.path} lack a value{why}: leave the column out with "
                    f"data.dataset.ignore, or write missing: impute."
                )

    def _groups(self, keep: Indices, train: Indices) -> list[tuple[Indices, Indices]]:
        """Rows that share a mean and a deviation, all of them and those to train on: each owner's, or all."""
        if self.owners is None or self.source.standardize == "pooled":
            return [(np.arange(len(keep)), train)]
        owners = self.owners.targets[keep]
        learning = np.zeros(len(keep), dtype=bool)
        learning[train] = True
        rows = [np.flatnonzero(owners == number) for number in range(len(self.owners.labels))]
        return [(own, own[learning[own]]) for own in rows]

    def _columns(
        self, keep: Indices, groups: list[tuple[Indices, Indices]]
    ) -> list[Callable[[], npt.NDArray[np.float32]]]:
        """How each feature is made, in order."""
        columns: list[Callable[[], npt.NDArray[np.float32]]] = []
        for name in self.features:
            column = column_of(name, self.table.columns.pop(name))
            if column.words:
                self.notes.append(
                    f"'{name}' is {len(column.words)} columns, one a word: {', '.join(column.words)}"
                )
            columns += [
                partial(self._feature, column, place, keep, groups) for place in range(column.values.shape[1])
            ]
            missing = column.missing[keep]
            self.encoding.append(self._encoded(column, keep, groups, imputed=bool(missing.any())))
            if missing.any():
                self.notes.append(
                    f"'{name}' is imputed in {int(missing.sum()):,} rows, and a column says in which"
                )
                columns.append(partial(missing.astype, np.float32))
        return columns

    def _encoded(
        self, column: Column, keep: Indices, groups: list[tuple[Indices, Indices]], *, imputed: bool
    ) -> Feature:
        """How new rows become the same feature; statistics only where all owners share them."""
        if not column.numbers:
            kind: Literal["words", "flag"] = "words" if column.words else "flag"
            return Feature(name=column.name, kind=kind, words=column.words, imputed=imputed)
        if self.owners is not None and self.source.standardize != "pooled":
            return Feature(name=column.name, kind="number", imputed=imputed)
        mean, deviation = _mean_and_deviation(
            column.values[keep, 0].astype(np.float64), column.missing[keep], groups[0][1]
        )
        return Feature(name=column.name, kind="number", imputed=imputed, mean=mean, deviation=deviation)

    def _feature(
        self, column: Column, place: int, keep: Indices, groups: list[tuple[Indices, Indices]]
    ) -> npt.NDArray[np.float32]:
        values = column.values[keep, place].astype(np.float64)
        if column.numbers:
            values = _scaled(values, column.missing[keep], groups, self.source.standardize)
        else:
            values[column.missing[keep]] = 0.0
        feature: npt.NDArray[np.float32] = values.astype(np.float32)
        return feature

    def _note_classes(self, targets: npt.NDArray[np.int64]) -> None:
        counts = np.bincount(targets, minlength=len(self.classes.labels))
        told = ", ".join(f"{n}: '{label}' ({counts[n]:,})" for n, label in enumerate(self.classes.labels))
        self.notes.append(f"classes {told}")


def _scaled(
    values: Floats,
    missing: npt.NDArray[np.bool_],
    groups: list[tuple[Indices, Indices]],
    standardize: bool | Literal["pooled"],
) -> Floats:
    """Missing values become the mean of the group's rows to train on; where asked for, means 0 and deviations 1."""
    scaled = values.copy()
    for rows, train in groups:
        mean, deviation = _mean_and_deviation(values, missing, train)
        scaled[rows] = np.where(missing[rows], mean, values[rows])
        if standardize:
            scaled[rows] = (scaled[rows] - mean) / (deviation if deviation > 0 else 1.0)
    return scaled


def _mean_and_deviation(
    values: Floats, missing: npt.NDArray[np.bool_], train: Indices
) -> tuple[float, float]:
    known = values[train][~missing[train]]
    return (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
