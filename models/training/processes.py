# SPDX-License-Identifier: Apache-2.0
"""The worker that is a process: started afresh (never forked), long-lived, and gone when its parent is.

The two ends talk over a socket pair. A worker process whose end closes, because the engine ended or its
process was killed, ends itself at once, also in the middle of a job. Samples reach it as files that it
maps into memory, jobs and answers as pickles between processes of one program.
"""

from __future__ import annotations

import itertools
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import WorkerDied, WorkFailed
from bcfl.models.training.answer import Answer
from bcfl.models.training.bench import Bench, Kernel
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.job import Job
from bcfl.models.training.orders import GivenUp, Order, Reply, reply_to

__all__ = ("ProcessWorker", "SamplesFolder", "serve")

# The terminal's Ctrl-C is for the parent, which ends its workers in order: ignored before anything slow is imported.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = sys.argv[2:]; "
    "from bcfl.models.training.processes import serve; serve()"
)
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class _Greeting:
    device: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class _Cancel:
    number: int


class SamplesFolder(Mapping[str, Samples]):
    """Samples by key as files of a folder: written once by the engine, mapped by each worker process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, key: str, samples: Samples) -> None:
        """Put samples in the folder; they are complete when their last file, that of the scale, is there."""
        place = self._folder / key.encode().hex()
        place.mkdir()
        np.save(place / "inputs.npy", samples.inputs)
        np.save(place / "targets.npy", samples.targets)
        np.save(place / "tokens.npy", np.bool_(samples.tokens))
        np.save(place / "scale.npy", np.float64(samples.scale))

    def __getitem__(self, key: str) -> Samples:
        place = self._folder / key.encode().hex()
        if not (place / "scale.npy").is_file():
            raise KeyError(key)

        def mapped(name: str) -> npt.NDArray[Any]:
            # copy-on-write: torch wants a writable array, and pages nobody writes to stay shared
            array: npt.NDArray[Any] = np.load(place / name, mmap_mode="c", allow_pickle=False)
            return array

        return Samples(
            inputs=mapped("inputs.npy"),
            targets=mapped("targets.npy"),
            scale=float(np.load(place / "scale.npy")),
            tokens=bool(np.load(place / "tokens.npy")),
        )

    def __iter__(self) -> Iterator[str]:
        return (bytes.fromhex(place.name).decode() for place in self._folder.iterdir())

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.iterdir())


class ProcessWorker:
    """The engine's end of one worker process; a process that died is started again for the next job."""

    most_at_once = 1

    def __init__(self, device: str, folder: Path) -> None:
        self._greeting = _Greeting(device=device, folder=str(folder))
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._under_way: int | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; it loads torch while the caller goes on."""
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            self._process = subprocess.Popen(  # noqa: S603 - the arguments are ours
                [sys.executable, "-c", _START, str(theirs.fileno()), *sys.path],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment,
            )
        self._connection = Connection(ours.detach())
        self._connection.send(self._greeting)

    def perform(self, job: Job, kernel: Kernel, cancelled: Cancellation) -> Answer:
        """Send the job and wait for its answer.

        Raises:
            WorkerDied: the process ended meanwhile.
            WorkFailed: the job holds something that cannot be sent, or could not be done.
        """
        try:
            if self._connection is None:
                self.start()
            connection = self._connection
            if connection is None:
                raise WorkerDied
            with self._sending:
                self._under_way = next(self._numbers)
                connection.send(Order(number=self._under_way, job=job, kernel=kernel))
            if cancelled():
                self.interrupt()
            reply: Reply = connection.recv()
        except (EOFError, OSError) as error:
            status = self._end()
            raise WorkerDied(
                f"A worker process ended with status {status} in the middle of its {job.kind}; the next job starts a new "
                f"one. Status -9 often means that memory ran out: use fewer workers."
            ) from error
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise WorkFailed(
                f"A {type(job.network).__name__} cannot be sent to a worker process ({str(error).rstrip('.')}): "
                f"define its class in an importable module, or use the executor 'threads'."
            ) from error
        finally:
            self._under_way = None
        return reply.outcome()

    def interrupt(self) -> None:
        """Tell the process that the job under way is not wanted any more."""
        with self._sending:
            number, connection = self._under_way, self._connection
            if number is not None and connection is not None:
                try:
                    connection.send(_Cancel(number=number))
                except OSError:
                    return  # the process died: perform finds out and says so

    def close(self) -> None:
        """End the process: it ends itself when its end of the socket closes, else it is killed."""
        self._end()

    def _end(self) -> int | None:
        connection, process = self._connection, self._process
        self._connection = self._process = None
        if connection is not None:
            connection.close()
        if process is None:
            return None
        try:
            return process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def serve() -> None:
    """What a worker process runs: jobs from the socket whose descriptor is its first argument, until it closes."""
    connection = Connection(int(sys.argv[1]))
    try:
        greeting: _Greeting = connection.recv()
    except EOFError:
        return
    orders: SimpleQueue[Order] = SimpleQueue()
    given_up = GivenUp()

    def listen() -> None:
        while True:
            try:
                message: Order | _Cancel = connection.recv()
            except (EOFError, OSError):
                # Nobody is left to answer to; a parent that was killed could not remove its folder.
                shutil.rmtree(greeting.folder, ignore_errors=True)
                os._exit(0)
            except Exception as error:  # noqa: BLE001 - a job whose classes this process cannot import
                connection.send(Reply(failure=WorkFailed(f"A worker process could not read a job: {error}.")))
                continue
            if isinstance(message, _Cancel):
                given_up.say(message.number)
            else:
                orders.put(message)

    threading.Thread(target=listen, daemon=True, name="orders").start()

    bench = Bench(greeting.device, SamplesFolder(Path(greeting.folder)))
    while True:
        order = orders.get()
        reply = reply_to(order, bench, given_up)
        try:
            connection.send(reply)
        except OSError:
            return
