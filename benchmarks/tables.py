# SPDX-License-Identifier: Apache-2.0
"""What reading a user's table takes, beside the plainest way to read one: Python's ``csv`` into lists of numbers.

Each way reads the same file in a process of its own. Memory is the peak of that process over what it had before it read.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet  # noqa: F401 - both are loaded before memory is looked at

from bcfl.models.data.user_tables import CsvFile
from benchmarks.record import Record

__all__ = ("measure",)

_ROWS, _FEW, _COLUMNS = 284_807, 20_000, 30
_WAYS = ("bcfl", "csv module")


async def measure(*, quick: bool = False) -> Record:
    """Write a table of normal numbers, and read it in both ways."""
    rows = _FEW if quick else _ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        _write(path, rows)
        size = path.stat().st_size
        found = {way: _apart(way, path) for way in _WAYS}
    floats = rows * _COLUMNS * 4
    ours, plain = (found[way] for way in _WAYS)
    return Record(
        name="tables",
        title=f"a CSV of {rows:,} rows and {_COLUMNS + 1} columns ({size / 1e6:.0f} MB)",
        columns=("way", "seconds", "peak MB", "peak ÷ float32"),
        rows=[
            (way, f"{one['seconds']:.1f}", f"{one['peak'] / 1e6:.0f}", f"{one['peak'] / floats:.1f}")
            for way, one in found.items()
        ],
        notes=[
            f"bcfl ÷ csv module: time {ours['seconds'] / plain['seconds']:.2f}, memory {ours['peak'] / plain['peak']:.2f}"
        ],
        values={"float32_bytes": floats, "ways": found},
    )


def _write(path: Path, rows: int) -> None:
    draw = np.random.default_rng(0)
    with path.open("w", encoding="ascii") as file:
        file.write(",".join(f"v{n}" for n in range(_COLUMNS)) + ",label\n")
        for _ in range(rows):
            file.write(",".join(f"{value:.12f}" for value in draw.normal(size=_COLUMNS)))
            file.write(f",{draw.integers(2)}\n")


def _apart(way: str, path: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", way, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _read(way: str, path: Path) -> None:
    before, began = _peak(), time.perf_counter()
    if way == "bcfl":
        CsvFile(path=path, target="label").load()
    else:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        np.array([[float(value) for name, value in row.items() if name != "label"] for row in rows])
    print(json.dumps({"seconds": time.perf_counter() - began, "peak": _peak() - before}))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    _read(sys.argv[1], Path(sys.argv[2]))
