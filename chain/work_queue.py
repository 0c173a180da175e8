# SPDX-License-Identifier: Apache-2.0
"""Work of many callers done by one task, one piece after the other: no lock, and nothing half done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectSendStream

from bcfl.chain.errors import OwnerStopped

__all__ = ("WorkQueue",)

_T = TypeVar("_T")


class _Job:
    """One piece of work and the place where its caller waits."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self.work = work
        self.done = anyio.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class WorkQueue:
    """Takes work from any task and does it in ``run``; a caller that is cancelled leaves its work to be done whole.

    Args:
        name: who does the work, for the sentence that says it has stopped.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = anyio.Event()
        self._jobs: MemoryObjectSendStream[_Job] | None = None

    async def run(
        self,
        first: Callable[[], Awaitable[None]],
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Do ``first``, then what comes, until cancelled or until a piece of work fails."""
        self._jobs, jobs = anyio.create_memory_object_stream[_Job](0)
        with self._jobs, jobs:
            await first()
            self._started.set()
            task_status.started()
            async for job in jobs:
                try:
                    job.result = await job.work()
                except BaseException as error:
                    job.error = error if isinstance(error, Exception) else OwnerStopped()
                    raise
                finally:
                    job.done.set()

    async def perform(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Have a piece of work done; returns its result or raises its error.

        Raises:
            OwnerStopped: ``run`` has ended.
        """
        await self._started.wait()
        job = _Job(work)
        try:
            assert self._jobs is not None  # noqa: S101 - run made it before it set the event
            await self._jobs.send(job)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise OwnerStopped(f"{self._name} has stopped.") from None
        await job.done.wait()
        if job.error is not None:
            raise job.error
        result: _T = job.result
        return result
