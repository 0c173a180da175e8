# SPDX-License-Identifier: Apache-2.0
"""Runs the cells of a sweep in worker processes, keeps what each came to, and goes on where it was interrupted.

Each worker is a process of its own that lives over many cells. A cell that fails, or whose worker dies, is a result
with status ``failed``; it is tried again when the sweep is run again, and stops no other.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from subprocess import PIPE

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from bcfl.scenarios.sweeping.cell_orders import Answer, Order
from bcfl.scenarios.sweeping.cells import CellResult, CellStore, code_digest
from bcfl.scenarios.sweeping.grid import Cell

__all__ = ("CellDone", "Outcome", "SweepEvent", "SweepStarted", "cells_folder", "sweep")

_START = (
    "import sys; sys.path[:] = sys.argv[1:]; from bcfl.scenarios.sweeping.cell_worker import serve; serve()"
)
# One thread each: as many workers as cores leave none for the threads of numeric libraries.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_PATIENCE_S = 20
_LONGEST_CELL_S = 3600
_LONGEST_ANSWER = 1 << 28


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

    Returns:
        Every cell with its result, in the order of ``cells``.
    """
    code = code_digest()
    store = CellStore(cells_folder(directory), code=code)
    known = {cell.key: found for cell in cells if (found := store.read(cell, any_code=any_code)) is not None}
    results = {key: result for key, result in known.items() if result.status != "failed"}
    waiting = list({cell.key: cell for cell in cells if cell.key not in results}.values())
    workers = min(jobs or _cores(), max(len(waiting), 1))
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

    async def labour(number: int) -> None:
        team = _Worker(directory, number=number, data_dir=data_dir, keep_runs=keep_runs, code=code)
        async with team.ready():
            for cell in orders:
                keep(cell, await team.perform(cell))

    if waiting:
        await anyio.Path(directory).mkdir(parents=True, exist_ok=True)
        async with anyio.create_task_group() as group:
            for number in range(workers):
                group.start_soon(labour, number)
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


class _Worker:
    """A worker process, and the next one where it dies."""

    def __init__(
        self, directory: Path, *, number: int, data_dir: Path | None, keep_runs: bool, code: str
    ) -> None:
        self._directory = directory
        self._data_dir = data_dir
        self._keep_runs = keep_runs
        self._code = code
        self._log = directory / f"worker-{number + 1}.log"
        self._process: anyio.abc.Process | None = None
        self._answers: BufferedByteReceiveStream | None = None

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """Ends the process when the block does, in order where it can."""
        try:
            yield
        finally:
            await self._end()

    async def perform(self, cell: Cell) -> CellResult:
        """Run a cell; whatever goes wrong is its result."""
        began = time.monotonic()
        order = Order(
            scenario=cell.scenario.model_dump(mode="json"),
            directory=self._directory / "runs" / cell.key,
            data_dir=self._data_dir,
            keep=self._keep_runs,
        )
        try:
            process, answers = await self._running()
            assert process.stdin is not None  # noqa: S101 - for mypy: it is a pipe
            await process.stdin.send(order.model_dump_json().encode() + b"\n")
            with anyio.fail_after(_LONGEST_CELL_S):
                answer = Answer.model_validate_json(await answers.receive_until(b"\n", _LONGEST_ANSWER))
        except TimeoutError:
            await self._end()
            answer = Answer(
                wall_s=time.monotonic() - began,
                sentence=f"The cell had not ended after {_LONGEST_CELL_S / 60:.0f} minutes and was stopped.",
            )
        except (
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.IncompleteRead,
            anyio.EndOfStream,
        ):
            status = await self._end()
            answer = Answer(
                wall_s=time.monotonic() - began,
                sentence=f"The worker process ended with status {status} while it ran this cell; its log is {self._log}.",
            )
        return CellResult(
            code=self._code,
            cell=cell.labels.name,
            wall_s=answer.wall_s,
            summary=answer.summary,
            misbehaved=answer.misbehaved,
            sentence=answer.sentence,
        )

    async def _running(self) -> tuple[anyio.abc.Process, BufferedByteReceiveStream]:
        if self._process is None or self._answers is None:
            with self._log.open("ab") as log:
                self._process = await anyio.open_process(
                    [sys.executable, "-c", _START, *sys.path],
                    stdin=PIPE,
                    stdout=PIPE,
                    stderr=log,
                    env={**os.environ, **_ONE_THREAD},
                    start_new_session=True,  # Ctrl-C comes to us first, and we end it in order
                )
            assert self._process.stdout is not None  # noqa: S101 - for mypy: it is a pipe
            self._answers = BufferedByteReceiveStream(self._process.stdout)
        return self._process, self._answers

    async def _end(self) -> int | None:
        """Close the worker's input, which makes it end its cell and leave; returns its exit status."""
        process, self._process, self._answers = self._process, None, None
        if process is None:
            return None
        with anyio.CancelScope(shield=True):
            if process.stdin is not None:
                await process.stdin.aclose()
            with anyio.move_on_after(_PATIENCE_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            await process.aclose()
        if not self._log.stat().st_size:
            self._log.unlink()
        return process.returncode


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
