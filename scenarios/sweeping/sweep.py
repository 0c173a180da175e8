# SPDX-License-Identifier: Apache-2.0
"""Runs the cells of a sweep in worker processes, keeps what each came to, and goes on where it was interrupted.

Each worker is a process of its own that lives over many cells. A cell that fails, or whose worker dies, is a result
with status ``failed``; it is tried again when the sweep is run again, and stops no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Protocol

import anyio

from bcfl.models.training.cluster import Cluster
from bcfl.scenarios.planning.code import code_digest
from bcfl.scenarios.sweeping.cell_orders import Answer, Order
from bcfl.scenarios.sweeping.cell_process import CellProcess
from bcfl.scenarios.sweeping.cells import CellResult, CellStore
from bcfl.scenarios.sweeping.cluster_cells import ClusterCells
from bcfl.scenarios.sweeping.grid import Cell

__all__ = ("CellDone", "Outcome", "SweepEvent", "SweepStarted", "cells_folder", "sweep")


class CellWorker(Protocol):
    """Runs one cell at a time, in a process of its own."""

    async def perform(self, order: Order) -> Answer:
        """Run a cell; whatever goes wrong is the answer's sentence."""
        ...

    async def end(self) -> object:
        """End the cell under way in order, and the process."""
        ...


@dataclass(frozen=True, kw_only=True)
class SweepStarted:
    """Of ``total`` cells ``known`` were done before; ``other_code`` of the rest were, by another version of the code."""

    total: int
    known: int
    other_code: int
    jobs: int


@dataclass(frozen=True, kw_only=True)
class CellDone:
    """A cell ended; ``left_s`` estimates the seconds until the last one does."""

    cell: Cell
    result: CellResult
    done: int
    total: int
    left_s: float


SweepEvent = SweepStarted | CellDone


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A cell with what it came to."""

    cell: Cell
    result: CellResult


def cells_folder(directory: Path) -> Path:
    """Where a sweep's directory holds the results of cells."""
    return directory / "cells"


async def sweep(
    cells: Sequence[Cell],
    *,
    directory: Path,
    jobs: int | None = None,
    data_dir: Path | None = None,
    keep_runs: bool = False,
    any_code: bool = False,
    observer: Callable[[SweepEvent], None] = lambda _: None,
    cluster: Cluster | None = None,
) -> tuple[Outcome, ...]:
    """Run every cell that has no result yet.

    Args:
        cells: as ``grid.expand`` gives them.
        directory: of the sweep: results in ``cells/``, runs under way in ``runs/``.
        jobs: cells at once; by default one a core.
        data_dir: where data lie that no package carries.
        keep_runs: keep every cell's run directory.
        any_code: take results that other versions of the code made.
        observer: told of progress.
        cluster: runs the cells, on its nodes; ``data_dir`` is theirs, and no run directory can be kept.

    Raises:
        ClusterUnavailable: one of its nodes has another program.

    Returns:
        Every cell with its result, in the order of ``cells``.
    """
    code = code_digest()
    store = CellStore(cells_folder(directory), code=code)
    known = {cell.key: found for cell in cells if (found := store.read(cell, any_code=any_code)) is not None}
    results = {key: result for key, result in known.items() if result.status != "failed"}
    waiting = list({cell.key: cell for cell in cells if cell.key not in results}.values())
    workers = min(jobs or (cluster.cores if cluster else _cores()), max(len(waiting), 1))
    of_other_code = sum(
        cell.key not in known and store.read(cell, any_code=True) is not None for cell in waiting
    )
    observer(
        SweepStarted(
            total=len(cells), known=len(cells) - len(waiting), other_code=of_other_code, jobs=workers
        )
    )
    pace = _Pace(cells=cells, waiting=waiting, workers=workers)
    orders = iter(waiting)

    def keep(cell: Cell, result: CellResult) -> None:
        store.write(cell, result)
        results[cell.key] = result
        observer(
            CellDone(
                cell=cell,
                result=result,
                done=pace.finished(cell, result.wall_s),
                total=len(cells),
                left_s=pace.left_s,
            )
        )

    labour = _Labour(directory, data_dir=data_dir, keep_runs=keep_runs, code=code)

    async def work(number: int) -> None:
        log = directory / f"worker-{number + 1}.log"
        worker: CellWorker = CellProcess(log) if cluster is None else ClusterCells(cluster)
        try:
            for cell in orders:
                keep(cell, await labour.perform(cell, worker))
        finally:
            await worker.end()

    if waiting:
        await anyio.Path(directory).mkdir(parents=True, exist_ok=True)
        async with anyio.create_task_group() as group:
            for number in range(workers):
                group.start_soon(work, number)
    return tuple(Outcome(cell=cell, result=results[cell.key]) for cell in cells)


class _Pace:
    """How long the rest will take: a cell as long as others of its heterogeneity and size did, else as a trainer did."""

    def __init__(self, *, cells: Sequence[Cell], waiting: Sequence[Cell], workers: int) -> None:
        self._done = len(cells) - len(waiting)
        self._waiting = {cell.key: cell for cell in waiting}
        self._workers = workers
        self._took: dict[tuple[str, int], list[float]] = {}

    def finished(self, cell: Cell, wall_s: float) -> int:
        """One more; returns how many are done in all."""
        self._done += 1
        self._waiting.pop(cell.key, None)
        self._took.setdefault(_kind(cell), []).append(wall_s)
        return self._done

    @property
    def left_s(self) -> float:
        """Seconds."""
        seconds = sum(sum(took) for took in self._took.values())
        trainers = sum(size * len(took) for (_, size), took in self._took.items())
        each = seconds / max(trainers, 1)
        return (
            sum(
                mean(took) if (took := self._took.get(_kind(cell))) else each * cell.labels.trainers
                for cell in self._waiting.values()
            )
            / self._workers
        )


def _kind(cell: Cell) -> tuple[str, int]:
    return cell.labels.heterogeneity, cell.labels.trainers


class _Labour:
    """A cell's way to its result, in whoever's process."""

    def __init__(self, directory: Path, *, data_dir: Path | None, keep_runs: bool, code: str) -> None:
        self._directory = directory
        self._data_dir = data_dir
        self._keep_runs = keep_runs
        self._code = code

    async def perform(self, cell: Cell, worker: CellWorker) -> CellResult:
        """Run a cell; whatever goes wrong is its result."""
        order = Order(
            scenario=cell.scenario.model_dump(mode="json"),
            directory=self._directory / "runs" / cell.key,
            data_dir=self._data_dir and self._data_dir.absolute(),  # a node's working directory is another
            keep=self._keep_runs,
        )
        answer = await worker.perform(order)
        return CellResult(
            code=self._code,
            cell=cell.labels.name,
            wall_s=answer.wall_s,
            summary=answer.summary,
            misbehaved=answer.misbehaved,
            sentence=answer.sentence,
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
