# SPDX-License-Identifier: Apache-2.0
"""A process that runs cells, seen from who started it; where it dies the next cell starts another."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from subprocess import PIPE

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from bcfl.scenarios.sweeping.cell_orders import Answer, Order

__all__ = ("CellProcess",)

_START = (
    "import sys; sys.path[:] = sys.argv[1:]; from bcfl.scenarios.sweeping.cell_worker import serve; serve()"
)
# One thread each: as many workers as cores leave none for the threads of numeric libraries.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_PATIENCE_S = 20
_LONGEST_CELL_S = 3600
_LONGEST_ANSWER = 1 << 28


class CellProcess:
    """Runs one cell at a time.

    Args:
        log: what the process says goes to this file, which is there only where it has said something.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: anyio.abc.Process | None = None
        self._answers: BufferedByteReceiveStream | None = None

    async def perform(self, order: Order) -> Answer:
        """Run a cell; whatever goes wrong is the answer's sentence."""
        began = time.monotonic()
        try:
            process, answers = await self._running()
            assert process.stdin is not None  # noqa: S101 - for mypy: it is a pipe
            await process.stdin.send(order.model_dump_json().encode() + b"\n")
            with anyio.fail_after(_LONGEST_CELL_S):
                return Answer.model_validate_json(await answers.receive_until(b"\n", _LONGEST_ANSWER))
        except TimeoutError:
            await self.end()
            return Answer(
                wall_s=time.monotonic() - began,
                sentence=f"The cell had not ended after {_LONGEST_CELL_S / 60:.0f} minutes and was stopped.",
            )
        except (
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.IncompleteRead,
            anyio.EndOfStream,
        ):
            status = await self.end()
            return Answer(
                wall_s=time.monotonic() - began,
                sentence=f"The worker process ended with status {status} while it ran this cell; its log is {self._log}.",
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

    async def end(self) -> int | None:
        """Close the process's input, which makes it end its cell and leave; returns its exit status."""
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
