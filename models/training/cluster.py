# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster that lends its processors: the connection to it, and who is hired there (https://docs.ray.io).

Ray moves messages and places workers; what they do, and what it comes to, is as on this machine.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread

from bcfl.models.errors import ClusterUnavailable, JobCancelled, WorkFailed

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

__all__ = ("Cluster", "Hired", "LostWorker", "Program")


_ANSWERS_WITHIN_S = 15
_LOOKED_EVERY_S = 0.5
_ENDS_WITHIN_S = 5

Program = Callable[[], str]
"""Says which program it is called in; a function of an importable module, since it is called on every node."""


class LostWorker(Exception):
    """Whoever was hired is gone, with its process or its whole node."""


class Hired:
    """A worker of the cluster: a process with one core of some node."""

    def program(self, which: Program) -> str:
        """Which program runs here."""
        return which()


class Cluster:
    """Made by ``Cluster.connected``.

    Attributes:
        address: ``HOST:PORT`` of its head.
        cores: of all nodes, when the connection was made.
        program: what each worker is asked.
    """

    def __init__(self, address: str, *, cores: int, program: Program) -> None:
        self.address = address
        self.cores = cores
        self.program = program
        self._ours = program()

    @classmethod
    @asynccontextmanager
    async def connected(cls, address: str, *, program: Program) -> AsyncIterator[Cluster]:
        """A cluster for the length of the block.

        Args:
            address: ``HOST:PORT``, as ``ray start --head`` says it; this machine is one of its nodes.
            program: asked of each worker, whose answer must be that of this process.

        Raises:
            ClusterUnavailable: there is no Ray, nobody answers there, or it cannot be joined.
        """
        await _check(address)
        try:
            # In a thread Ray leaves the handlers of signals alone; what it would say is said by us.
            await anyio.to_thread.run_sync(_join, address)
        except Exception as error:
            raise ClusterUnavailable(
                f"The Ray cluster at {address} cannot be joined ({_said(error)}): this machine must be one of its nodes, "
                f"'ray start --address={address}' makes it one."
            ) from error
        try:
            yield cls(address, cores=await anyio.to_thread.run_sync(_cores), program=program)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_leave)

    def hire(self, kind: type[Hired], *arguments: str) -> ActorHandle:
        """A worker that does two things at a time, its work and the word that it is not wanted any more.

        Does not wait until there is a core for it; ``checked`` does.
        """
        import ray

        remote = ray.remote(num_cpus=1, max_restarts=0, max_concurrency=2, scheduling_strategy="SPREAD")
        handle: ActorHandle = remote(kind).remote(*arguments)
        return handle

    def dismiss(self, worker: ActorHandle) -> None:
        """Give a worker back, whatever it is at."""
        import ray

        ray.kill(worker)

    def checked(self, worker: ActorHandle, cancelled: Callable[[], bool]) -> None:
        """Wait until the worker is there, and see that it is of the same program.

        Raises:
            ClusterUnavailable: it is of another, or of none.
            JobCancelled: it was not there when ``cancelled`` had been true for seconds.
            LostWorker: it is gone again.
        """
        self.same(str(self.result(worker.program.remote(self.program), cancelled)))

    def same(self, program: str) -> None:
        """See that a worker's program is this process's.

        Raises:
            ClusterUnavailable: it is another.
        """
        if program != self._ours:
            raise ClusterUnavailable(
                f"A node of the Ray cluster at {self.address} has another version of bcfl or of its libraries, which could "
                "come to other numbers: install the same on every node."
            )

    def result(self, reference: ObjectRef[object], cancelled: Callable[[], bool]) -> object:
        """What was asked for; blocks, so not on the event loop.

        Raises:
            JobCancelled: there was nothing when ``cancelled`` had been true for seconds.
            LostWorker: who should have done it is gone.
            ClusterUnavailable: it cannot run bcfl at all.
            WorkFailed: it could not read what it was sent.
        """
        import ray

        until: float | None = None
        while True:
            try:
                return cast("object", ray.get(reference, timeout=_LOOKED_EVERY_S))
            except ray.exceptions.GetTimeoutError:
                if not cancelled():
                    continue
                until = until or time.monotonic() + _ENDS_WITHIN_S
                if time.monotonic() > until:
                    raise JobCancelled("A worker of the cluster did not end in time.") from None
            except Exception as error:
                raise self.failure(error) from error

    def failure(self, error: Exception) -> Exception:
        """What an exception of Ray's means."""
        import ray

        text = str(error)
        if "ModuleNotFoundError" in text or "failed to be imported" in text:
            return ClusterUnavailable(
                f"A node of the Ray cluster at {self.address} cannot run bcfl ({_said(error)}): install the same version on "
                "every node, with the plugins that are used."
            )
        if isinstance(error, ray.exceptions.RayTaskError):
            return WorkFailed(f"A worker of the cluster could not do what it was asked for: {_said(error)}.")
        return LostWorker(_said(error))


async def _check(address: str) -> None:
    """Ask whether a cluster is there before joining it, for which Ray would try for two minutes and then exit."""
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise ClusterUnavailable("'--ray' needs Ray: pip install 'bcfl[ray]'.") from error
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ClusterUnavailable(
            f"'{address}' is no address of a Ray cluster: it is HOST:PORT, as 'ray start --head' says it."
        )
    nobody = ClusterUnavailable(
        f"No Ray cluster answers at {address}: 'ray start --head' starts one and says its address."
    )
    try:
        with anyio.fail_after(_ANSWERS_WITHIN_S):
            await (await anyio.connect_tcp(host, int(port))).aclose()
    except (OSError, TimeoutError) as error:
        raise nobody from error
    asked = [
        sys.executable, "-c", "import sys; from ray.scripts.scripts import main; sys.exit(main())", "health-check",
        "--address", address,
    ]  # fmt: skip
    with anyio.move_on_after(_ANSWERS_WITHIN_S):
        found = await anyio.run_process(
            asked, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if found.returncode == 0:
            return
    raise nobody


def _join(address: str) -> None:
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # it warns of the thread
    ray.init(address=address, log_to_driver=False, configure_logging=False)


def _cores() -> int:
    import ray

    return max(int(ray.cluster_resources().get("CPU", 0)), 1)


def _leave() -> None:
    import ray

    ray.shutdown()


def _said(error: BaseException) -> str:
    """The last line of what may be a whole traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
