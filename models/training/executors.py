# SPDX-License-Identifier: Apache-2.0
"""A pool of workers behind one asynchronous call, and the worker that is a thread of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
import anyio.to_thread

from bcfl.models.data.dataset import Samples
from bcfl.models.training.answer import Answer
from bcfl.models.training.bench import Bench, Kernel
from bcfl.models.training.busy import BusyClock
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.job import Job

__all__ = ("ThreadWorker", "Worker", "WorkerPool")


class Worker(Protocol):
    """Does one job at a time; every method but ``interrupt`` may block and is called off the event loop."""

    def start(self) -> None:
        """Get ready."""
        ...

    def perform(self, job: Job, kernel: Kernel, cancelled: Cancellation) -> Answer:
        """Do the job by that kernel, or raise ``JobCancelled`` soon after ``cancelled`` is set."""
        ...

    def interrupt(self) -> None:
        """Called on the event loop after a job's ``cancelled`` was set, for workers that cannot see the flag."""
        ...

    def close(self) -> None:
        """End, within seconds."""
        ...


class ThreadWorker:
    """Works in a thread of this process; what it computes with is loaded with the first job."""

    def __init__(self, device: str, samples: Mapping[str, Samples]) -> None:
        self._bench = Bench(device, samples)

    def start(self) -> None:
        """Nothing to get ready."""

    def perform(self, job: Job, kernel: Kernel, cancelled: Cancellation) -> Answer:
        """Do the job in the calling thread."""
        return self._bench.perform(job, kernel=kernel, cancelled=cancelled)

    def interrupt(self) -> None:
        """Nothing to do: the flag is seen between batches."""

    def close(self) -> None:
        """Nothing to end."""


class WorkerPool:
    """Hands jobs to free workers, in the order in which they were asked for.

    A cancelled caller's job ends between two batches before the cancellation goes on, so that no thread
    outlives the scope that started it.
    """

    def __init__(self, workers: Sequence[Worker], busy: BusyClock) -> None:
        self._free = list(workers)
        self._slots = anyio.CapacityLimiter(len(workers))
        self._threads = anyio.CapacityLimiter(len(workers))
        self._busy = busy
        self.size = len(workers)

    @classmethod
    @asynccontextmanager
    async def open(cls, workers: Sequence[Worker], busy: BusyClock) -> AsyncIterator[WorkerPool]:
        """Start the workers and close them when the block ends, whatever ends it."""
        pool = cls(workers, busy)
        try:
            for worker in workers:
                await anyio.to_thread.run_sync(worker.start, limiter=pool._threads)
            yield pool
        finally:
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as group:
                    for worker in workers:
                        group.start_soon(anyio.to_thread.run_sync, worker.close)

    async def run(self, job: Job, kernel: Kernel) -> Answer:
        """Wait for a free worker and let it do the job."""
        async with self._slots:
            worker = self._free.pop()
            try:
                with self._busy.under_way(job.kind):
                    return await self._perform(worker, job, kernel)
            finally:
                self._free.append(worker)

    async def _perform(self, worker: Worker, job: Job, kernel: Kernel) -> Answer:
        cancelled = Cancellation()
        finished = anyio.Event()
        answers: list[Answer] = []
        failures: list[Exception] = []

        async def work() -> None:
            with anyio.CancelScope(shield=True):
                try:
                    answers.append(
                        await anyio.to_thread.run_sync(
                            worker.perform, job, kernel, cancelled, limiter=self._threads
                        )
                    )
                except Exception as error:  # noqa: BLE001 - raised again below, outside the task group
                    failures.append(error)
                finished.set()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            try:
                await finished.wait()
            except anyio.get_cancelled_exc_class():
                cancelled.set()
                worker.interrupt()
                raise
        if failures:
            raise failures[0]
        return answers[0]
