# SPDX-License-Identifier: Apache-2.0
"""A user's own table: one column holds the class, an optional one the owner, the others become features."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.data.csv_reading import CsvDialect, dialect_of, line_of, read_csv
from bcfl.models.data.dataset import Dataset
from bcfl.models.data.raw_table import BadValue, RawTable, collected
from bcfl.models.data.table_dataset import TableFile
from bcfl.models.data.table_encoding import TableEncoding, encoded, targets_of
from bcfl.models.data.user_files import locate
from bcfl.models.errors import DataCorrupt
from bcfl.registry import register

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ("CsvFile", "ParquetFile", "encoded_rows", "read_parquet")


@register("dataset", "csv")
@dataclass(frozen=True, kw_only=True)
class CsvFile(TableFile):
    """A table with a header line: ``target`` holds the class, ``owner`` who a row belongs to, the others are features.

    Truth values are 1 and 0, words become one column each. ``missing``: rows that lack a value are left out (``drop``), or get the mean
    of their owner's rows and a column that says so (``impute``). ``ignore`` names columns to leave out. Numbers are standardised by mean and
    deviation of each owner's training rows, of all with ``standardize: pooled``, or not; ``test_fraction`` of the rows, drawn under ``seed``, are kept
    to test on. ``separator``, ``decimal`` and ``encoding`` are found out where they are not given (the last: UTF-8).
    """

    separator: str | None = None
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set; a relative path is looked for in the data directory first.

        Raises:
            DataUnavailable: there is no such file.
            DataCorrupt: a column is missing, a value cannot be taken, or too few rows are complete.
        """
        path = locate(self.path, data_dir)
        dialect = dialect_of(path, separator=self.separator, decimal=self.decimal, encoding=self.encoding)

        def place(row: int) -> str:
            return f"line {line_of(path, dialect, row)}"

        try:
            table = read_csv(path, dialect, text=self.labels, ignore=self.ignore)
        except BadValue as error:
            raise self.placed(error, path, place) from error
        made = self.made(table, path, place)
        return dataclasses.replace(made, notes=(*_read_as(dialect), *made.notes))


@register("dataset", "parquet")
@dataclass(frozen=True, kw_only=True)
class ParquetFile(TableFile):
    """A table in a Parquet file; its keys are those of ``csv`` but for how the text is written."""

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set; a relative path is looked for in the data directory first.

        Raises:
            DataUnavailable: there is no such file.
            DataCorrupt: it is no Parquet, or as for ``csv``.
        """
        path = locate(self.path, data_dir)
        try:
            table = read_parquet(path, text=self.labels, ignore=self.ignore)
        except BadValue as error:
            raise self.placed(error, path, _row) from error
        return self.made(table, path, _row)


def read_parquet(path: Path, *, text: Collection[str], ignore: Collection[str] = ()) -> RawTable:
    """The columns of a Parquet file, those of ``text`` as they are written, of those to ignore the names.

    Raises:
        DataCorrupt: it is no Parquet.
        BadValue: a number is infinite, or more than a float32 holds.
    """
    import pyarrow as pa  # a tenth of a second that only tables cost
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(path)
        batches = (_as_words(batch, text) for batch in file.iter_batches())
        return collected(batches, most_rows=file.metadata.num_rows, ignore=ignore)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataCorrupt(
            f"{path} is no Parquet file that can be read: {str(error).splitlines()[0]}"
        ) from error


def encoded_rows(
    path: Path, encoding: TableEncoding, labels: tuple[str, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]:
    """New rows as a model's features, (n, features), and their classes where the table has them.

    Raises:
        DataCorrupt: the file is no table, or not one of that kind.
    """
    place = _row
    try:
        if path.suffix == ".parquet":
            table = read_parquet(path, text=(encoding.target,))
        else:
            dialect = dialect_of(path, separator=None, decimal=None, encoding=None)

            def place(row: int) -> str:
                return f"line {line_of(path, dialect, row)}"

            table = read_csv(path, dialect, text=(encoding.target,))
        return encoded(encoding, table), targets_of(encoding, table, labels)
    except BadValue as error:
        raise TableFile.placed(error, path, place) from error


def _row(row: int) -> str:
    return f"row {row + 1}"


def _read_as(dialect: CsvDialect) -> Iterator[str]:
    plain = CsvDialect()
    if (dialect.separator, dialect.decimal) != (plain.separator, plain.decimal):
        yield f"read with the separator '{dialect.separator}' and the decimal mark '{dialect.decimal}'"


def _as_words(batch: pa.RecordBatch, names: Collection[str]) -> pa.RecordBatch:
    import pyarrow as pa  # as above

    for place, name in enumerate(batch.schema.names):
        if name in names:
            batch = batch.set_column(place, name, batch.column(place).cast(pa.string()))
    return batch
