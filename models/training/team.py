# SPDX-License-Identifier: Apache-2.0
"""The workers of an engine: threads, processes, or processes of a cluster, and where each of them finds samples."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from bcfl.models.data.dataset import Samples
from bcfl.models.training.cluster import Cluster
from bcfl.models.training.cluster_worker import ClusterSamples, ClusterWorker
from bcfl.models.training.executors import ThreadWorker, Worker
from bcfl.models.training.processes import ProcessWorker, SamplesFolder

__all__ = ("Device", "ExecutorKind", "Shelf", "Team", "assembled")

ExecutorKind = Literal["threads", "processes"]
Device = Literal["cpu", "cuda", "auto"]


class Shelf(Protocol):
    """Where samples lie for workers that are not of this process."""

    def write(self, key: str, samples: Samples) -> None:
        """Put samples there."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Team:
    """Workers, the samples that this process knows, and the shelf for those workers that cannot see them."""

    workers: Sequence[Worker]
    shelf: Shelf | None = None
    samples: dict[str, Samples] = field(default_factory=dict)


@contextmanager
def assembled(executor: ExecutorKind | Cluster, *, workers: int, device: Device) -> Iterator[Team]:
    """A team for the length of the block, not started yet."""
    if isinstance(executor, Cluster):
        held = ClusterSamples()
        yield Team(workers=[ClusterWorker(executor, device, held) for _ in range(workers)], shelf=held)
    elif executor == "processes":
        with tempfile.TemporaryDirectory(prefix="bcfl-engine-", ignore_cleanup_errors=True) as place:
            folder = SamplesFolder(Path(place))
            yield Team(workers=[ProcessWorker(device, Path(place)) for _ in range(workers)], shelf=folder)
    else:
        samples: dict[str, Samples] = {}
        yield Team(workers=[ThreadWorker(device, samples) for _ in range(workers)], samples=samples)
