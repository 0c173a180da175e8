# SPDX-License-Identifier: Apache-2.0
"""The engine's worker that is a process on some node of a Ray cluster.

Samples lie in the cluster's object store, from where a worker takes those that it is first asked about. Since a job's
answer depends on the job alone, one whose worker is lost is done again by the next.
"""

from __future__ import annotations

import itertools
import pickle
from typing import TYPE_CHECKING, cast

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import JobCancelled, WorkerDied, WorkFailed
from bcfl.models.training.answer import Answer
from bcfl.models.training.bench import Bench, Kernel
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.cluster import Cluster, Hired, LostWorker
from bcfl.models.training.job import Job, OutputsJob
from bcfl.models.training.orders import GivenUp, Order, Reply, reply_to

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

__all__ = ("ClusterSamples", "ClusterWorker", "RemoteBench")

_TRIES = 3


class RemoteBench(Hired):
    """What a worker runs on its node."""

    def __init__(self, device: str) -> None:
        self._samples: dict[str, Samples] = {}
        self._bench = Bench(device, self._samples)
        self._given_up = GivenUp()

    def take(self, key: str, samples: bytes) -> None:
        """Samples that jobs will name."""
        self._samples[key] = pickle.loads(samples)  # noqa: S301 - between processes of one program

    def perform(self, order: bytes) -> bytes:
        """Do a job."""
        return pickle.dumps(reply_to(pickle.loads(order), self._bench, self._given_up))  # noqa: S301 - as above

    def give_up(self, number: int) -> None:
        """That order is not wanted any more."""
        self._given_up.say(number)


class ClusterSamples:
    """Samples by key in the cluster's object store, one copy a node."""

    def __init__(self) -> None:
        self._held: dict[str, ObjectRef[bytes]] = {}

    def write(self, key: str, samples: Samples) -> None:
        """Put samples there."""
        import ray

        self._held[key] = ray.put(pickle.dumps(samples))

    def __getitem__(self, key: str) -> ObjectRef[bytes]:
        return self._held[key]


class ClusterWorker:
    """The engine's end of one worker; one that is lost is replaced at once."""

    most_at_once = 1

    def __init__(self, cluster: Cluster, device: str, samples: ClusterSamples) -> None:
        self._cluster = cluster
        self._device = device
        self._samples = samples
        self._worker: ActorHandle | None = None
        self._is_checked = False
        self._given: set[str] = set()
        self._numbers = itertools.count()
        self._under_way: int | None = None

    def start(self) -> None:
        """Ask for a worker, without waiting for it."""
        self._hired()

    def _hired(self) -> ActorHandle:
        self._worker = self._cluster.hire(RemoteBench, self._device)
        self._is_checked = False
        self._given = set()
        return self._worker

    def perform(self, job: Job, kernel: Kernel, cancelled: Cancellation) -> Answer:
        """Have the job done.

        Raises:
            WorkerDied: one worker after the other was lost with it.
            WorkFailed: the job holds something that cannot be sent, or could not be done.
            ClusterUnavailable: a node has another program.
        """
        for _ in range(_TRIES):
            try:
                return self._perform(job, kernel, cancelled)
            except JobCancelled:
                self.close()  # it may be in the middle of it still
                raise
            except LostWorker as error:
                last = error
                self.close()
            finally:
                self._under_way = None
        raise WorkerDied(
            f"{_TRIES} workers of the cluster at {self._cluster.address} were lost one after the other in the middle of a "
            f"{job.kind} ({last}): often memory has run out on a node."
        ) from last

    def _perform(self, job: Job, kernel: Kernel, cancelled: Cancellation) -> Answer:
        worker = self._worker or self._hired()
        if not self._is_checked:
            self._cluster.checked(worker, cancelled)
            self._is_checked = True
        key = None if isinstance(job, OutputsJob) else job.samples.key
        if key is not None and key not in self._given:
            self._cluster.result(worker.take.remote(key, self._samples[key]), cancelled)
            self._given.add(key)
        number = next(self._numbers)
        try:
            order = pickle.dumps(Order(number=number, job=job, kernel=kernel))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise WorkFailed(
                f"A {type(job.network).__name__} cannot be sent to a worker of the cluster ({str(error).rstrip('.')}): "
                f"define its class in a module that every node has."
            ) from error
        answer = worker.perform.remote(order)
        self._under_way = number
        if cancelled():
            self.interrupt()
        told = cast("bytes", self._cluster.result(answer, cancelled))
        reply: Reply = pickle.loads(told)  # noqa: S301 - as above
        return reply.outcome()

    def interrupt(self) -> None:
        """Tell the worker that the job under way is not wanted any more."""
        number, worker = self._under_way, self._worker
        if number is not None and worker is not None:
            worker.give_up.remote(number)

    def close(self) -> None:
        """Give the worker back."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self._cluster.dismiss(worker)
