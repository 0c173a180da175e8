# SPDX-License-Identifier: Apache-2.0
"""A text file of separated values as columns: separator, decimal mark and encoding as given, or as its first lines show."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bcfl.models.data.raw_table import RawTable, collected
from bcfl.models.errors import DataCorrupt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ("MISSING", "CsvDialect", "dialect_of", "line_of", "read_csv")

MISSING = ("", "?", "NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "#N/A", "-")
"""What stands for a value that is not there."""

_SEPARATORS = (",", ";", "\t", "|")
_LOOKED_AT = 200
"""Lines that show the decimal mark."""
_COMMA, _POINT = re.compile(r"[-+]?\d+,\d+"), re.compile(r"[-+]?\d+\.\d+")
_BLOCK = 1 << 16
"""Bytes that are read at once, unless lines are long; Arrow holds dozens of blocks while it reads ahead."""
_LINES_A_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class CsvDialect:
    """How a file is written."""

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    longest: int = 0
    """Characters of the longest of the lines that were looked at."""


def dialect_of(path: Path, *, separator: str | None, decimal: str | None, encoding: str | None) -> CsvDialect:
    """What is given, and what the first lines show of the rest.

    Raises:
        DataCorrupt: it is not text of that encoding, or says nothing.
    """
    encoding = encoding or "utf-8"
    _check_encoding(path, encoding)
    with path.open(encoding=_named(encoding), newline="") as file:
        head = [line for line in islice(file, _LOOKED_AT) if line.strip()]
    if not head:
        raise DataCorrupt(f"{path} is empty: a table begins with a line of column names.")
    if separator is None:
        counts = Counter({one: head[0].count(one) for one in _SEPARATORS})
        separator = max(_SEPARATORS, key=lambda one: counts[one]) if counts.total() else ","
    if decimal is None:
        values = [value for row in csv.reader(head[1:], delimiter=separator) for value in row]
        commas = sum(bool(_COMMA.fullmatch(value.strip())) for value in values)
        points = sum(bool(_POINT.fullmatch(value.strip())) for value in values)
        decimal = "," if separator != "," and commas > points else "."
    return CsvDialect(separator=separator, decimal=decimal, encoding=encoding, longest=max(map(len, head)))


def read_csv(
    path: Path, dialect: CsvDialect, *, text: Collection[str], ignore: Collection[str] = ()
) -> RawTable:
    """The columns, each of the kind that all its values have; those of ``text`` as they are written, of those to ignore the names.

    Raises:
        DataCorrupt: a heading is missing or twice there, or a line has another number of values.
        BadValue: a number is infinite, or more than a float32 holds.
    """
    import pyarrow as pa  # a tenth of a second that only tables cost

    names = _header(path, dialect)
    types: dict[str, pa.DataType] = dict.fromkeys((*text, *ignore), pa.string())
    while True:  # until no column turns out to be words after all
        try:
            reader = _opened(path, dialect, types)
            # The first block shows what a column is; numbers are read as such whether or not a later one has a fraction.
            types = {field.name: types.get(field.name) or _wide(field.type) for field in reader.schema}
            batches = _opened(path, dialect, types)
            return collected(batches, most_rows=_lines(path), ignore=ignore)
        except pa.ArrowInvalid as error:
            column = re.match(r"In CSV column #(\d+): ", str(error))
            name = names[int(column[1])] if column is not None else None
            if name is None or types.get(name) == pa.string():
                raise DataCorrupt(_said(path, dialect, str(error))) from error
            types[name] = pa.string()


def _wide(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa  # as above

    return pa.float64() if pa.types.is_integer(kind) or pa.types.is_null(kind) else kind


def _opened(path: Path, dialect: CsvDialect, types: Mapping[str, pa.DataType]) -> pa.RecordBatchReader:
    import pyarrow.csv as arrow  # as above

    return arrow.open_csv(
        path,
        read_options=arrow.ReadOptions(
            use_threads=False,
            encoding=_named(dialect.encoding),
            block_size=max(_BLOCK, _LINES_A_BLOCK * dialect.longest),
        ),
        parse_options=arrow.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
        convert_options=arrow.ConvertOptions(
            column_types=dict(types),
            null_values=list(MISSING),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            decimal_point=dialect.decimal,
        ),
    )


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return 1 + sum(
            block.count(b"\n") + block.count(b"\r") for block in iter(lambda: file.read(_BLOCK), b"")
        )


def line_of(path: Path, dialect: CsvDialect, row: int) -> int:
    """The line, from 1, on which a row of the table ends; rows are counted from 0, without the heading and blank lines."""
    with path.open(encoding=_named(dialect.encoding), newline="") as file:
        reader = csv.reader(file, delimiter=dialect.separator)
        rows = (reader.line_num for found in reader if found)
        return next(islice(rows, row + 1, None))


def _named(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _check_encoding(path: Path, encoding: str) -> None:
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise DataCorrupt(
            f"There is no encoding '{encoding}': write utf-8, latin-1, utf-16 or another of Python's at data.dataset.encoding."
        ) from None
    line = 1
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                line += block[: error.start].count(b"\n")
                raise DataCorrupt(
                    f"{path} is not {encoding.upper()}: line {line} has the byte 0x{error.object[error.start]:02x}. Set "
                    f"data.dataset.encoding, for example to latin-1."
                ) from error
            if not block:
                return


def _header(path: Path, dialect: CsvDialect) -> Sequence[str]:
    with path.open(encoding=_named(dialect.encoding), newline="") as file:
        header: Sequence[str] = next(filter(None, csv.reader(file, delimiter=dialect.separator)), [])
    twice = [name for name, count in Counter(header).items() if count > 1 and name.strip()]
    if twice:
        raise DataCorrupt(f"{path} has more than one column '{twice[0]}': give each a name of its own.")
    return header


def _said(path: Path, dialect: CsvDialect, error: str) -> str:
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", error)
    if ragged is None:
        return f"{path} cannot be read as a table: {error.splitlines()[0].removeprefix('CSV parse error: ')}"
    row, expected, got = map(int, ragged.groups())
    return (
        f"Line {line_of(path, dialect, row - 2)} of {path} has {got} values, the heading has {expected}: mend it, or set "
        f"data.dataset.separator (it was read with '{dialect.separator}')."
    )
