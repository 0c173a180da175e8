# SPDX-License-Identifier: Apache-2.0
"""Columns of a table as numbers, classes and owners. Pure; whatever cannot be taken is refused with its row and column.

A column of numbers is one feature, of truth values one of 1 and 0, of words (categories) one for each word. Values that are
missing cost their row, or become the mean of the rows to train on with a feature that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.data.raw_table import BadValue, Numbers, Other, RawColumn, Words

__all__ = (
    "TRUE",
    "Classes",
    "Column",
    "Missing",
    "classes_of",
    "column_of",
    "is_missing",
    "is_number",
    "ranks",
)

Missing = Literal["drop", "impute"]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MOST_CATEGORIES = 50
TRUE, _FALSE = frozenset({"true", "yes", "t", "y"}), frozenset({"false", "no", "f", "n"})
_MOST_CLASSES = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """A column as features.

    Attributes:
        name: as the table has it.
        values: (n, k), whatever where a value is missing.
        missing: (n,).
        numbers: they have a mean and a deviation; words and truth values are 0 and 1.
        words: what each of the k stands for, where they are categories.
    """

    name: str
    values: npt.NDArray[np.floating]
    missing: Bools
    numbers: bool
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """The target: for each row its class, −1 where there is none, and by class how it is written."""

    targets: npt.NDArray[np.int64]
    labels: tuple[str, ...] = field(default=())


def column_of(name: str, column: RawColumn) -> Column:
    """A column's features.

    Raises:
        BadValue: it holds something that is no number, truth value or category.
    """
    if isinstance(column, Words):
        return _of_words(name, column.values)
    if isinstance(column, Other):
        raise BadValue(
            f"column '{name}' holds {column.what}: leave it out with ignore: [{name}]", column=name
        )
    missing = np.isnan(column.values)
    if missing.all():
        raise BadValue(f"column '{name}' is empty: leave it out with ignore: [{name}]", column=name)
    return Column(name=name, values=column.values[:, None], missing=missing, numbers=not column.flags)


def is_missing(column: RawColumn) -> Bools:
    """(n,): where a value is not there."""
    if isinstance(column, Words):
        return np.array([not word for word in column.values], dtype=bool)
    return np.isnan(column.values) if isinstance(column, Numbers) else np.zeros(column.rows, dtype=bool)


def _of_words(name: str, words: Sequence[str | None]) -> Column:
    missing = np.array([not word for word in words])
    distinct = sorted({word for word in words if word})
    if {word.lower() for word in distinct} <= TRUE | _FALSE:
        flags = np.array([(word or "").lower() in TRUE for word in words], dtype=np.float64)
        return Column(name=name, values=flags[:, None], missing=missing, numbers=False)
    numbers = [word for word in distinct if is_number(word)]
    if len(numbers) == len(distinct):  # written as Arrow does not read them, +5, or texts of a Parquet file
        values = np.array([float(word) if word else np.nan for word in words])
        return Column(name=name, values=values[:, None], missing=missing, numbers=True)
    if 2 * len(numbers) >= len(distinct):
        row, odd = next((n, word) for n, word in enumerate(words) if word and not is_number(word))
        raise BadValue(f"column '{name}' has '{odd}', which is no number", column=name, row=row)
    if len(distinct) > _MOST_CATEGORIES:
        row = next(n for n, word in enumerate(words) if word)
        raise BadValue(
            f"column '{name}' has {len(distinct)} different words, like '{words[row]}', and {_MOST_CATEGORIES} categories at "
            f"most can be told apart: leave it out with ignore: [{name}]",
            column=name,
            row=row,
        )
    place = {word: number for number, word in enumerate(distinct)}
    values = np.zeros((len(words), len(distinct)))
    for row, word in enumerate(words):
        if word:
            values[row, place[word]] = 1.0
    return Column(name=name, values=values, missing=missing, numbers=False, words=tuple(distinct))


def classes_of(name: str, column: RawColumn) -> Classes:
    """The classes of a target's labels, in their order; blanks around a label and another way to write a number are no other class.

    Raises:
        BadValue: there are too many, or only one.
    """
    written = _written(name, column)
    distinct = sorted({one for one in written if one})
    equal = {one: float(one) if is_number(one) else one for one in distinct}
    if all(isinstance(key, float) for key in equal.values()):
        distinct.sort(key=lambda one: (float(one), len(one)))
    labels: dict[float | str, str] = {}
    for one in distinct:
        labels.setdefault(equal[one], one)
    if len(labels) < 2:
        found = f"only '{distinct[0]}'" if distinct else "no label"
        raise BadValue(
            f"the target '{name}' has {found}: a classifier needs two classes at least", column=name
        )
    if len(labels) > min(_MOST_CLASSES, max(2, len(written) // 4)):
        numbers = all(isinstance(key, float) for key in labels)
        what = (
            "it looks like a regression, and classes are what is learned here"
            if numbers
            else "that is no class"
        )
        raise BadValue(
            f"the target '{name}' has {len(labels)} different values in {len(written)} rows, like '{distinct[0]}': {what}; name "
            f"another column as data.dataset.target, or put the values into classes",
            column=name,
        )
    place = {key: number for number, key in enumerate(labels)}
    targets = np.array([place[equal[one]] if one else -1 for one in written], dtype=np.int64)
    return Classes(targets=targets, labels=tuple(labels.values()))


def ranks(name: str, column: RawColumn) -> Classes:
    """For each row the place of its word among all, sorted; −1 where there is none. Of owners, who may be any number."""
    written = _written(name, column)
    names = sorted(
        {one for one in written if one},
        key=lambda one: (0, float(one), one) if is_number(one) else (1, 0.0, one),
    )
    place = {one: number for number, one in enumerate(names)}
    targets = np.array([place.get(one, -1) for one in written], dtype=np.int64)
    return Classes(targets=targets, labels=tuple(names))


def _written(name: str, column: RawColumn) -> list[str]:
    if not isinstance(column, Words):
        raise BadValue(
            f"column '{name}' holds no words or numbers that could name a class or an owner", column=name
        )
    return [word or "" for word in column.values]


def is_number(text: str) -> bool:
    """Whether it is a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
