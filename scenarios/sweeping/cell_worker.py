# SPDX-License-Identifier: Apache-2.0
"""A process that runs cells one after the other: it keeps what is slow to load, the libraries and the dataset.

Started by ``scenarios.sweep``, never by hand. Orders come as JSON lines on standard input, answers go as JSON lines to
what standard output was; whatever libraries print goes to standard error. When its input closes, because the sweep
stopped or was killed, the worker ends the cell under way in order, devnet included, and leaves.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectReceiveStream

from bcfl import log
from bcfl.errors import BcflError
from bcfl.models.data.dataset import Dataset
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.definition.schema import NamedEntry, Scenario
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import results_of
from bcfl.scenarios.running.runner import run
from bcfl.scenarios.sweeping.cell_orders import Answer, Order
from bcfl.scenarios.sweeping.cells import compact

__all__ = ("serve",)

_CHUNK = 1 << 16


def serve() -> None:
    """Work until standard input closes."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    anyio.run(_serve, answers, backend_options={"use_uvloop": sys.platform != "win32"})


async def _serve(answers: IO[str]) -> None:
    put, orders = anyio.create_memory_object_stream[Order](1)

    async def listen() -> None:
        async for line in _lines(sys.stdin.fileno()):
            await put.send(Order.model_validate_json(line))
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group, put, orders:
        group.start_soon(listen)
        await _work(orders, answers)


async def _lines(descriptor: int) -> AsyncIterator[bytes]:
    """The lines of a pipe until it closes; a read in a thread could not be left when the group is cancelled."""
    rest = b""
    while True:
        await anyio.wait_readable(descriptor)
        data = os.read(descriptor, _CHUNK)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line


async def _work(orders: MemoryObjectReceiveStream[Order], answers: IO[str]) -> None:
    datasets: dict[str, Dataset] = {}
    async for order in orders:
        began = time.perf_counter()
        try:
            answer = await _perform(order, datasets, began)
        except Exception as error:  # noqa: BLE001 - a failed cell is a result; the others go on
            text = " ".join(str(error).split())
            sentence = text if isinstance(error, BcflError) else f"{type(error).__name__}: {text}"
            answer = Answer(wall_s=time.perf_counter() - began, sentence=sentence[:2000])
        answers.write(answer.model_dump_json() + "\n")
        answers.flush()


async def _perform(order: Order, datasets: dict[str, Dataset], began: float) -> Answer:
    scenario = from_mapping(order.scenario)
    dataset = await _dataset(scenario, order.data_dir, datasets)
    shutil.rmtree(order.directory, ignore_errors=True)  # what an interrupted sweep left
    try:
        summary = (await run(scenario, out=order.directory, dataset=dataset)).summary
        misbehaved = _misbehaved(RunDirectory.open(order.directory))
        wall_s = time.perf_counter() - began
        return Answer(wall_s=wall_s, summary=compact(summary), misbehaved=misbehaved)
    finally:
        log.configure()  # closes the run's log file
        if not order.keep:
            shutil.rmtree(order.directory, ignore_errors=True)


def _misbehaved(directory: RunDirectory) -> dict[str, tuple[int, ...]]:
    """The rounds in which each adversary misbehaved: the ground truth, which no other agent knows."""
    results = results_of(directory.events())
    told = {name: results.misbehaving(name) for name in results.names.values()}
    return {name: rounds for name, rounds in told.items() if rounds}


async def _dataset(scenario: Scenario, data_dir: Path | None, known: dict[str, Dataset]) -> Dataset:
    """The scenario's data; the last that was loaded is kept."""
    entry: NamedEntry = scenario.data.dataset
    name = entry.model_dump_json()
    if name not in known:
        known.clear()
        known[name] = await anyio.to_thread.run_sync(entry.create("dataset").load, data_dir)
    return known[name]
