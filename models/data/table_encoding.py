# SPDX-License-Identifier: Apache-2.0
"""How the rows of a table became features, kept beside a model so that new rows become the same.

No statistic of an owner is kept: numbers that each owner standardised by its own rows are standardised by the new file's own, which is one
more owner's; only means and deviations that all owners shared (``pooled``) are here.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from bcfl.models.data.raw_table import BadValue, Other, RawColumn, RawTable, Words
from bcfl.models.data.table_columns import TRUE, is_missing, is_number

__all__ = ("Feature", "TableEncoding", "encoded", "targets_of")

Floats = npt.NDArray[np.float64]


class _Model(pydantic.BaseModel):
    model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(frozen=True, extra="forbid")


class Feature(_Model):
    """A column that is one or more features.

    Attributes:
        name: as the table has it.
        kind: ``number``, ``flag`` (truth values, 1 and 0), or ``words``.
        words: what each feature stands for, where it is ``words``.
        imputed: missing values became a mean, and one more feature says where.
        mean: of a number that all owners standardised alike, with ``deviation``; None where each did by itself.
    """

    name: str
    kind: Literal["number", "flag", "words"]
    words: tuple[str, ...] = ()
    imputed: bool = False
    mean: float | None = None
    deviation: float | None = None


class TableEncoding(_Model):
    """All features in their order; ``standardized``: numbers have mean 0 and deviation 1."""

    target: str
    features: tuple[Feature, ...]
    standardized: bool


def encoded(encoding: TableEncoding, table: RawTable) -> npt.NDArray[np.float32]:
    """A table's rows as the features that a model was trained on, (n, features); other columns do not matter.

    Raises:
        BadValue: a column is not there, or holds something else.
    """
    columns = [part for feature in encoding.features for part in _features(feature, encoding, table)]
    return np.column_stack(columns).astype(np.float32)


def targets_of(
    encoding: TableEncoding, table: RawTable, labels: tuple[str, ...]
) -> npt.NDArray[np.int64] | None:
    """The class of each row, where the table tells it.

    Raises:
        BadValue: a row has none, or one that the model does not know.
    """
    column = table.columns.get(encoding.target)
    if not isinstance(column, Words):
        return None
    places: dict[float | str, int] = {
        float(label) if is_number(label) else label: n for n, label in enumerate(labels)
    }
    found = np.empty(table.rows, dtype=np.int64)
    for row, word in enumerate(column.values):
        place = places.get(float(word) if word and is_number(word) else word or "")
        if place is None:
            raise BadValue(
                f"the class '{word or ''}' is none that the model knows ({', '.join(labels[:10])}): correct it, or leave the column out",
                column=encoding.target,
                row=row,
            )
        found[row] = place
    return found


def _features(feature: Feature, encoding: TableEncoding, table: RawTable) -> list[Floats]:
    column = table.columns.get(feature.name)
    if column is None:
        raise BadValue(
            f"there is no column '{feature.name}', which the model was trained on; its columns are: {', '.join(table.columns)}",
            column=feature.name,
        )
    if isinstance(column, Other):
        raise BadValue(f"column '{feature.name}' holds {column.what}", column=feature.name)
    missing = is_missing(column)
    if missing.any() and not feature.imputed:
        raise BadValue(
            f"column '{feature.name}' lacks a value, and the model was trained on whole rows: fill it in, or leave the row out",
            column=feature.name,
            row=int(np.argmax(missing)),
        )
    parts = (
        _words(feature, column) if feature.kind == "words" else [_numbers(feature, column, missing, encoding)]
    )
    return [*parts, missing.astype(np.float64)] if feature.imputed else parts


def _words(feature: Feature, column: RawColumn) -> list[Floats]:
    values = column.values if isinstance(column, Words) else tuple(f"{value:g}" for value in _plain(column))
    for row, word in enumerate(values):
        if word and word not in feature.words:
            raise BadValue(
                f"column '{feature.name}' has '{word}', and the model knows {', '.join(feature.words)}",
                column=feature.name,
                row=row,
            )
    return [np.array([float(word == one) for word in values]) for one in feature.words]


def _numbers(
    feature: Feature, column: RawColumn, missing: npt.NDArray[np.bool_], encoding: TableEncoding
) -> Floats:
    values = _plain(column) if not isinstance(column, Words) else _read(feature, column)
    if feature.kind == "flag":
        return np.where(missing, 0.0, values)
    known = values[~missing]
    mean = feature.mean if feature.mean is not None else float(known.mean()) if len(known) else 0.0
    deviation = feature.deviation if feature.mean is not None else float(known.std()) if len(known) else 0.0
    values = np.where(missing, mean, values)
    return (values - mean) / (deviation or 1.0) if encoding.standardized else values


def _read(feature: Feature, column: Words) -> Floats:
    """Words that are numbers or truth values after all."""
    found = np.full(len(column.values), np.nan)
    for row, word in enumerate(column.values):
        if not word:
            continue
        if feature.kind == "flag":
            found[row] = float(word.lower() in TRUE)
        elif is_number(word):
            found[row] = float(word)
        else:
            raise BadValue(
                f"column '{feature.name}' has '{word}', which is no number", column=feature.name, row=row
            )
    return found


def _plain(column: RawColumn) -> Floats:
    assert not isinstance(column, Words | Other)  # noqa: S101 - for mypy: the callers look
    return column.values.astype(np.float64)
