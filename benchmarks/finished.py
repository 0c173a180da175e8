# SPDX-License-Identifier: Apache-2.0
"""The cells of a sweep that ``bcfl sweep`` has finished, for the tables that are drawn from them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bcfl.scenarios.sweeping.cells import CellStore
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import expand
from bcfl.scenarios.sweeping.sweep import Outcome, cells_folder

__all__ = ("finished", "mean", "table", "token_means")


def finished(file: Path, directory: Path, *, whole_seeds: bool = False) -> list[Outcome]:
    """Every cell with what it came to; ends the program where one is missing or failed.

    Args:
        file: of the sweep.
        directory: of its results.
        whole_seeds: be content with the seeds of which every cell is done, if there are any.
    """
    store = CellStore(cells_folder(directory), code="")
    cells = expand(load_sweep(file))
    found = {cell.key: store.read(cell, any_code=True) for cell in cells}
    done = [
        Outcome(cell=cell, result=result)
        for cell in cells
        if (result := found[cell.key]) is not None and result.summary is not None
    ]
    if whole_seeds and len(done) < len(cells):
        missing = {cell.labels.seed for cell in cells} - {
            seed
            for seed in {one.cell.labels.seed for one in done}
            if sum(one.cell.labels.seed == seed for one in done)
            == sum(cell.labels.seed == seed for cell in cells)
        }
        whole = [one for one in done if one.cell.labels.seed not in missing]
        if whole:
            return whole
    if len(done) < len(cells):
        sys.exit(
            f"{len(cells) - len(done)} of {len(cells)} cells are not done: bcfl sweep {file} --out {directory}"
        )
    return done


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
