# SPDX-License-Identifier: Apache-2.0
"""The columns of a table as they are read, batch by batch: numbers as float32 at once, so that no wider copy of all of them is there."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import DataCorrupt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ("BadValue", "Numbers", "Other", "RawColumn", "RawTable", "Words", "collected")

_LARGEST = float(np.finfo(np.float32).max)


class BadValue(DataCorrupt):
    """A value of a table cannot be taken; ``row`` counts from 0, and is None where the column is at fault."""

    def __init__(self, message: str, *, column: str, row: int | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.row = row


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """(n,), NaN where a value is missing; ``flags``: truth values, 1 and 0."""

    values: npt.NDArray[np.float32]
    flags: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """As they are written, without blanks around them; None where one is missing."""

    values: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Other:
    """What is neither; ``what`` names it."""

    what: str
    rows: int


RawColumn = Numbers | Words | Other


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Columns by name, in the table's order."""

    columns: dict[str, RawColumn]
    rows: int


def collected(batches: Iterable[pa.RecordBatch], *, most_rows: int, ignore: Collection[str] = ()) -> RawTable:
    """The table that these batches of one schema are.

    Args:
        batches: in their order.
        most_rows: at least as many as they have in all.
        ignore: columns of which nothing but the name is wanted.

    Raises:
        BadValue: a number is infinite, or more than a float32 holds.
    """
    found: dict[str, _Filled] = {}
    rows = 0
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in found:
                found[name] = (
                    _Filled(name, "nothing") if name in ignore else _filled(name, column.type, most_rows)
                )
            found[name].take(column, rows)
        rows += batch.num_rows
    return RawTable(columns={name: one.column(rows) for name, one in found.items()}, rows=rows)


class _Filled:
    """A column being read; this one of something that is left out anyway, or refused."""

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what

    def take(self, column: pa.Array, start: int) -> None:
        """Values from the row ``start`` on."""

    def column(self, rows: int) -> RawColumn:
        """All of it."""
        return Other(what=self.what, rows=rows)


class _FilledNumbers(_Filled):
    def __init__(self, name: str, most_rows: int, *, flags: bool) -> None:
        super().__init__(name, "numbers")
        self._values = np.empty(most_rows, dtype=np.float32)
        self._flags = flags

    def take(self, column: pa.Array, start: int) -> None:
        import pyarrow as pa  # a tenth of a second that only tables cost

        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad = ~np.isnan(values) & ~(np.abs(values) <= _LARGEST)
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            raise BadValue(
                f"column '{self.name}' has {values[place]:g}, which is more than a float32 holds ({_LARGEST:.2g})",
                column=self.name,
                row=start + place,
            )
        self._values[start : start + len(values)] = values

    def column(self, rows: int) -> RawColumn:
        return Numbers(values=self._values[:rows], flags=self._flags)


class _FilledWords(_Filled):
    def __init__(self, name: str) -> None:
        super().__init__(name, "words")
        self._values: list[str | None] = []
        self._known: dict[str, str] = {}

    def take(self, column: pa.Array, start: int) -> None:  # noqa: ARG002 - they are in order
        self._values += map(self._word, column.to_pylist())

    def _word(self, value: object) -> str | None:
        if value is None:
            return None
        word = unicodedata.normalize("NFC", str(value).strip())  # ü is one letter, however it is written
        return self._known.setdefault(word, word)  # one copy of each

    def column(self, rows: int) -> RawColumn:  # noqa: ARG002
        return Words(values=tuple(self._values))


def _filled(name: str, kind: pa.DataType, most_rows: int) -> _Filled:
    import pyarrow as pa  # as above

    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return _FilledNumbers(name, most_rows, flags=types.is_boolean(kind))
    if types.is_null(kind):
        return _FilledNumbers(name, most_rows, flags=False)
    if types.is_string(kind) or types.is_large_string(kind):
        return _FilledWords(name)
    return _Filled(name, "dates or times" if types.is_temporal(kind) else f"values of the type {kind}")
