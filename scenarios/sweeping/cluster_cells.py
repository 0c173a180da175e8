# SPDX-License-Identifier: Apache-2.0
"""Cells on the nodes of a Ray cluster: there a worker starts the same process that runs cells on this machine.

Devnet, store and data are the node's own; only the scenario goes there and its summary comes back.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from bcfl.errors import BcflError
from bcfl.models.training.cluster import Cluster, Hired, LostWorker
from bcfl.scenarios.sweeping.cell_orders import Answer, Order
from bcfl.scenarios.sweeping.cell_process import CellProcess

if TYPE_CHECKING:
    from ray.actor import ActorHandle

__all__ = ("ClusterCells", "RemoteCells")

_TRIES = 3
_PATIENCE_S = 30


class RemoteCells(Hired):
    """What a worker runs on its node; when its process is gone, the cell's ends itself in order."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bcfl-cells-", ignore_cleanup_errors=True)
        self._process = CellProcess(Path(self._folder.name) / "worker.log")

    async def perform(self, order: str) -> str:
        """Run a cell in a directory of this node."""
        cell = Order.model_validate_json(order)
        there = Path(self._folder.name) / cell.directory.name
        answer = await self._process.perform(cell.model_copy(update={"directory": there}))
        return answer.model_dump_json()

    async def end(self) -> None:
        """End the cell under way, and the process."""
        await self._process.end()
        self._folder.cleanup()


class ClusterCells:
    """This machine's end of one worker; a cell whose worker is lost is run again by another."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._worker: ActorHandle | None = None

    async def perform(self, order: Order) -> Answer:
        """Run a cell; whatever goes wrong with it is the answer's sentence.

        Raises:
            ClusterUnavailable: a node has another program.
        """
        began = time.monotonic()
        sentence = ""
        for _ in range(_TRIES):
            try:
                worker = self._worker or await self._hired()
                return Answer.model_validate_json(await worker.perform.remote(order.model_dump_json()))
            except BcflError:
                raise
            except Exception as error:
                self._dismiss()
                failure = self._cluster.failure(error)
                if not isinstance(failure, LostWorker):
                    raise failure from error
                sentence = f"{_TRIES} workers of the cluster were lost one after the other while they ran this cell: {failure}."
        return Answer(wall_s=time.monotonic() - began, sentence=sentence)

    async def _hired(self) -> ActorHandle:
        worker = self._worker = self._cluster.hire(RemoteCells)
        self._cluster.same(await worker.program.remote(self._cluster.program))
        return worker

    async def end(self) -> None:
        """End the cell under way in order, and give the worker back."""
        if self._worker is None:
            return
        with (
            anyio.CancelScope(shield=True),
            anyio.move_on_after(_PATIENCE_S),
            suppress(Exception),  # it may be lost, and with it what it ran
        ):
            await self._worker.end.remote()
        self._dismiss()

    def _dismiss(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._cluster.dismiss(worker)
