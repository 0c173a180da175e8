# SPDX-License-Identifier: Apache-2.0
"""The cells of a sweep that ``bcfl sweep`` has finished, for the tables that are drawn from them."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bcfl.scenarios.sweeping.cells import CellResult, CellStore
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import expand
from bcfl.scenarios.sweeping.sweep import Outcome, cells_folder

__all__ = ("finished", "mean", "table", "token_means")


def finished(file: Path, directory: Path, *, archive: Path | None = None) -> list[Outcome]:
    """Every cell with what it came to; ends the program where one is missing or failed.

    Args:
        file: of the sweep.
        directory: of its results.
        archive: of results that were had before, elsewhere: hours of work need not be done again to draw a page anew. With it what is done is
            enough, whatever is missing, and what is new in the directory joins it.
    """
    store = CellStore(cells_folder(directory), code="")
    cells = expand(load_sweep(file))
    kept = {} if archive is None else _archived(archive)
    found = {cell.key: store.read(cell, any_code=True) or kept.get(cell.key) for cell in cells}
    done = [
        Outcome(cell=cell, result=result)
        for cell in cells
        if (result := found[cell.key]) is not None and result.summary is not None
    ]
    if archive is not None:
        if len(done) < len(kept):
            sys.exit(
                f"{archive} has {len(kept)} results, and only {len(done)} are cells of {file}: it is left as it is."
            )
        _archive(archive, done)
    if not done or (archive is None and len(done) < len(cells)):
        sys.exit(
            f"{len(cells) - len(done)} of {len(cells)} cells are not done: bcfl sweep {file} --out {directory}"
        )
    return done


def _archived(path: Path) -> dict[str, CellResult]:
    if not path.exists():
        return {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {
            key: CellResult.model_validate_json(text) for key, text in (line.split(" ", 1) for line in lines)
        }


def _archive(path: Path, done: Iterable[Outcome]) -> None:
    lines = "".join(f"{one.cell.key} {one.result.model_dump_json()}\n" for one in done)
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))


def mean(values: Iterable[float | None]) -> float:
    """Of what there is; nan where there is nothing."""
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else float("nan")


def token_means(outcomes: Sequence[Outcome]) -> list[float]:
    """What each trainer was paid, in tokens, mean over the outcomes, in the scenario's order."""
    paid = [
        [
            int(who.tokens) / 1e18
            for who in outcome.result.summary.participants.values()
            if who.role == "trainer"
        ]
        for outcome in outcomes
        if outcome.result.summary is not None
    ]
    return [sum(column) / len(column) for column in zip(*paid, strict=True)]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
