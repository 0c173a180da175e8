# SPDX-License-Identifier: Apache-2.0
"""Jobs that wait go to a worker together where they are small, and each keeps its own answer, failure and end."""

from __future__ import annotations

import threading

import anyio
import numpy as np
import pytest

from bcfl.models.errors import JobCancelled, WorkFailed
from bcfl.models.training.busy import BusyClock
from bcfl.models.training.executors import WorkerPool


class Worker:
    """Notes what it is asked for; the first job waits until it is let go."""

    most_at_once = 4

    def __init__(self):
        self.threads = []
        self.let_go = threading.Event()
        self.began = threading.Event()

    def start(self):
        pass

    def perform(self, job, kernel, cancelled):
        assert kernel == "lanes"
        self.threads.append((threading.get_ident(), job.seed))
        self.began.set()
        assert self.let_go.wait(10)
        if cancelled():
            raise JobCancelled
        if job.seed == 5:
            raise WorkFailed("five")
        return f"answer {job.seed}"

    def interrupt(self):
        pass

    def close(self):
        pass


async def _all(pool, jobs, worker, cancel=None):
    """What came of each job, and how they were handed over: the worker begins when all have been asked for."""
    found = {}
    scopes = {}

    async def one(job):
        with anyio.CancelScope() as scope:
            scopes[job.seed] = scope
            try:
                found[job.seed] = await pool.run(job, "lanes")
            except WorkFailed as error:
                found[job.seed] = str(error)

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(one, job)
        await anyio.to_thread.run_sync(worker.began.wait)
        if cancel is not None:
            scopes[cancel].cancel()
            await anyio.sleep(0.05)
        worker.let_go.set()
    return found


@pytest.fixture
def jobs(make_job):
    def made(count, size=10):
        return [make_job(seed, indices=np.arange(size)) for seed in range(count)]

    return made


@pytest.mark.asyncio
async def test_each_has_its_own_answer_and_a_failure_is_nobody_elses(jobs, monkeypatch):
    handed = []
    original = anyio.to_thread.run_sync

    async def counted(function, *arguments, **given):
        if function.__name__ == "_perform_all":
            handed.append([order.job.seed for order in arguments[1]])
        return await original(function, *arguments, **given)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    worker = Worker()
    async with WorkerPool.open([worker], BusyClock()) as pool:
        found = await _all(pool, jobs(10), worker)
    assert found == {seed: f"answer {seed}" for seed in range(10) if seed != 5} | {5: "five"}
    assert handed == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.asyncio
async def test_large_jobs_go_one_at_a_time(jobs, monkeypatch):
    worker = Worker()
    handed = []
    original = anyio.to_thread.run_sync

    async def counted(function, *arguments, **given):
        if function.__name__ == "_perform_all":
            handed.append(len(arguments[1]))
        return await original(function, *arguments, **given)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    async with WorkerPool.open([worker], BusyClock()) as pool:
        found = await _all(pool, jobs(4, size=2700), worker)
    assert len(found) == 4
    assert handed == [1, 1, 1, 1]


@pytest.mark.asyncio
async def test_a_worker_that_cannot_be_started_is_heard_of_by_all_that_it_took_along(jobs, monkeypatch):
    original = anyio.to_thread.run_sync

    async def broken(function, *arguments, **given):
        if function.__name__ == "_perform_all":
            raise RuntimeError("can't start new thread")
        return await original(function, *arguments, **given)

    failures = []

    async def one(pool, job):
        try:
            await pool.run(job, "lanes")
        except RuntimeError as error:
            failures.append(str(error))

    async with WorkerPool.open([Worker()], BusyClock()) as pool:
        monkeypatch.setattr(anyio.to_thread, "run_sync", broken)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                for job in jobs(6):
                    group.start_soon(one, pool, job)
        monkeypatch.setattr(anyio.to_thread, "run_sync", original)
    assert failures == ["can't start new thread"] * 6


@pytest.mark.asyncio
async def test_a_job_that_one_worker_took_along_is_not_done_by_another(jobs):
    workers = [Worker(), Worker()]
    async with WorkerPool.open(workers, BusyClock()) as pool, anyio.create_task_group() as group:
        group.start_soon(_all, pool, jobs(9), workers[0])
        await anyio.to_thread.run_sync(workers[1].began.wait)
        workers[1].let_go.set()
    asked = [seed for worker in workers for _, seed in worker.threads]
    assert sorted(asked) == list(range(9))
    assert min(len(worker.threads) for worker in workers) >= 3


@pytest.mark.asyncio
@pytest.mark.parametrize("given_up", [0, 2, 9])
async def test_who_gives_up_ends_its_own_job_alone(jobs, given_up):
    """Under way, in somebody else's hands, or still waiting."""
    worker = Worker()
    async with WorkerPool.open([worker], BusyClock()) as pool:
        found = await _all(pool, jobs(5) + jobs(10)[6:], worker, cancel=given_up)
        assert set(found) == {0, 1, 2, 3, 4, 6, 7, 8, 9} - {given_up}
        assert not pool._waiting
