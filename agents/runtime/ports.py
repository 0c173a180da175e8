# SPDX-License-Identifier: Apache-2.0
"""What agents need of the other rooms, and of whoever watches them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bcfl.contracts.delivery import BlockRef, Delivery
from bcfl.contracts.events import Event
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.state import TaskState
from bcfl.models.data.dataset import Samples
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.network import Network
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.training.bench import Kernel
from bcfl.models.training.job import SamplesRef, TrainingJob, TrainingResult
from bcfl.models.weights import Weights

__all__ = ("BusyMark", "Clock", "ContentStore", "LearningEngine", "Lists", "Node", "Observer")


class ContentStore(Protocol):
    """Where models live."""

    async def put(self, data: bytes) -> ContentId:
        """Store and name."""
        ...

    def get(self, content: ContentId) -> AsyncIterator[bytes]:
        """Stream."""
        ...

    async def pin(self, content: ContentId) -> None:
        """Keep."""
        ...

    async def unpin(self, content: ContentId) -> None:
        """Let the store remove it when it collects."""
        ...


class LearningEngine(ScoringEngine, Protocol):
    """Where training and scoring run (``models.training.Engine``)."""

    def computed_by(self, kernel: Kernel) -> LearningEngine:
        """The same workers and samples with that kernel."""
        ...

    def add_samples(self, key: str, samples: Samples) -> None:
        """Give the workers samples that jobs name by ``key``."""
        ...

    def samples(self, chosen: SamplesRef) -> Samples:
        """The samples themselves."""
        ...

    async def train(self, job: TrainingJob) -> TrainingResult:
        """Train a model."""
        ...

    async def outputs(
        self, network: Network, models: Sequence[Weights], samples: Samples
    ) -> npt.NDArray[np.float32]:
        """Logits (models, n, classes) on samples that are sent along."""
        ...

    async def evaluate(
        self,
        network: Network,
        weights: Weights,
        samples_key: str,
        indices: npt.NDArray[np.int64] | None = None,
    ) -> Evaluation:
        """Loss and accuracy."""
        ...


class Clock(Protocol):
    """Chain time (``chain.clock``)."""

    def observe(self, block: BlockRef) -> None:
        """A block was seen."""
        ...

    async def sleep_until(self, timestamp: int) -> None:
        """Return when chain time has come there."""
        ...


class Node(Protocol):
    """The one read that an agent makes by itself: the nonce of a permit."""

    chain_id: int

    async def call(self, to: Address, data: bytes, block: int | str = "latest") -> bytes:
        """A view."""
        ...


class Lists(Protocol):
    """Finds out what the roots of rooted tasks stand for (``roots.root_lists``)."""

    async def told(self, state: TaskState, events: Sequence[Event]) -> list[Event]:
        """A task's events from that state on, each root followed by what its list says."""
        ...


class Observer(Protocol):
    """Hears everything that happens in a process: the run directory, the live view."""

    def delivered(self, delivery: Delivery) -> None:
        """Blocks came or went."""
        ...

    def decided(
        self, *, agent: str, role: str, name: str, round_number: int, evidence: Mapping[str, Any]
    ) -> None:
        """An agent did or wants something."""
        ...

    def transacted(
        self, *, agent: str, role: str, name: str, round_number: int, status: str, gas: int, reason: str
    ) -> None:
        """A transaction ended."""
        ...


class BusyMark(Protocol):
    """Measures how long the chain was at work."""

    def start(self) -> None:
        """Chain work begins."""
        ...

    def stop(self) -> None:
        """It is over."""
        ...
