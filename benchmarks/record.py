# SPDX-License-Identifier: Apache-2.0
"""What a benchmark leaves: a table for people, and one JSON file with every number and the machine it was measured on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ("Record", "percentile", "write")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One benchmark's outcome.

    Attributes:
        name: of the benchmark, and of its file.
        title: one line.
        columns: of the table.
        rows: cells as text, a row each.
        notes: sentences below the table, ratios first.
        values: every number behind it, as JSON takes it.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The table in Markdown, as ``docs/results/benchmarks.md`` takes it."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]

        def line(cells: Sequence[str]) -> str:
            padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            return f"| {' | '.join(padded)} |"

        table = [line(self.columns), line(["-" * width for width in widths]), *map(line, self.rows)]
        return "\n".join(
            [f"## {self.name}: {self.title}", "", *table, "", *(f"- {note}" for note in self.notes)]
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


def write(record: Record, folder: Path, *, quick: bool, seconds: float) -> Path:
    """Write the record's JSON into the folder and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{record.name}.json"
    document = {
        "benchmark": record.name,
        "title": record.title,
        "quick": quick,
        "seconds": round(seconds, 1),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "virtual_cores": os.cpu_count(),
            "load_average": os.getloadavg(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "web3", "websockets")},
        },
        "notes": list(record.notes),
        "values": record.values,
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path
