# SPDX-License-Identifier: Apache-2.0
"""A pool of workers behind one asynchronous call, and the worker that is a thread of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.to_thread

from bcfl.models.data.dataset import Samples
from bcfl.models.training.answer import Answer
from bcfl.models.training.bench import Bench, Kernel
from bcfl.models.training.busy import BusyClock
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.job import Job, TrainingJob

__all__ = ("ThreadWorker", "Worker", "WorkerPool")


_SMALL = 100_000_000
"""Samples that a job trains on, counted in every epoch, times weights, up to which it goes to a worker with others."""


class Worker(Protocol):
    """Does one job at a time; every method but ``interrupt`` may block and is called off the event loop."""

    @property
    def most_at_once(self) -> int:
        """Small jobs that it is handed at a time; more than one only where ``interrupt`` does nothing."""
        ...

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

    most_at_once = 16

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


@dataclass(eq=False)
class _Order:
    """A job on its way to its answer."""

    job: Job
    kernel: Kernel
    cancelled: Cancellation = field(default_factory=Cancellation)
    taken: bool = False
    """A worker has it, maybe along with one that was asked for before."""
    finished: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None
    failure: Exception | None = None

    def outcome(self) -> Answer:
        if self.failure is not None:
            raise self.failure
        assert self.answer is not None  # noqa: S101 - one of the two is there
        return self.answer


class WorkerPool:
    """Hands jobs to free workers, in the order in which they were asked for.

    A cancelled caller's job ends between two batches before the cancellation goes on, so that no thread
    outlives the scope that started it. Small jobs that wait go to a worker several at a time, since handing one over
    takes nearly as long as doing it: who is cancelled while its job waits behind others' lets it end there, and who
    handed them over waits for them, some tens of milliseconds.
    """

    def __init__(self, workers: Sequence[Worker], busy: BusyClock) -> None:
        self._free = list(workers)
        self._slots = anyio.CapacityLimiter(len(workers))
        self._threads = anyio.CapacityLimiter(len(workers))
        self._busy = busy
        self._waiting: deque[_Order] = deque()
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
        order = _Order(job, kernel)
        self._waiting.append(order)
        try:
            async with self._slots:
                if not order.taken:
                    await self._serve(order)
            await order.finished.wait()
        except anyio.get_cancelled_exc_class():
            order.cancelled.set()
            raise
        finally:
            if not order.taken:
                self._waiting.remove(order)
        return order.outcome()

    async def _serve(self, first: _Order) -> None:
        worker = self._free.pop()
        try:
            orders = self._taken(first, worker)
            with self._busy.under_way(first.job.kind):
                await self._perform(worker, orders)
        finally:
            self._free.append(worker)

    def _taken(self, first: _Order, worker: Worker) -> list[_Order]:
        """The order and those behind it that go along, no more than leave the other workers as many."""
        self._waiting.remove(first)
        most = min(worker.most_at_once, 1 + len(self._waiting) // self.size) if _is_small(first) else 1
        orders = [first]
        while len(orders) < most and self._waiting and _is_small(self._waiting[0]):
            orders.append(self._waiting.popleft())
        for order in orders:
            order.taken = True
        return orders

    async def _perform(self, worker: Worker, orders: list[_Order]) -> None:
        async def work() -> None:
            with anyio.CancelScope(shield=True):
                try:
                    await anyio.to_thread.run_sync(_perform_all, worker, orders, limiter=self._threads)
                except Exception as error:  # noqa: BLE001 - no thread could be had: each caller hears of it
                    for order in orders:
                        if order.answer is None:
                            order.failure = order.failure or error
                finally:
                    for order in orders:
                        order.finished.set()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            try:
                await orders[0].finished.wait()
            except anyio.get_cancelled_exc_class():
                orders[0].cancelled.set()
                worker.interrupt()
                raise


def _perform_all(worker: Worker, orders: Sequence[_Order]) -> None:
    for order in orders:
        try:
            order.answer = worker.perform(order.job, order.kernel, order.cancelled)
        except Exception as error:  # noqa: BLE001 - raised again where the order came from
            order.failure = error


def _is_small(order: _Order) -> bool:
    job = order.job
    if not isinstance(job, TrainingJob) or order.kernel != "lanes" or job.samples.indices is None:
        return False
    if job.hyperparameters.privacy is not None:
        return False
    samples = len(job.samples.indices) * job.hyperparameters.epochs
    return samples * len(job.start.vector) <= _SMALL
