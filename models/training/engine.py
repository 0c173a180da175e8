# SPDX-License-Identifier: Apache-2.0
"""The training engine: takes jobs from many agents at once and runs them on its workers, off the event loop.

A result depends on its job and the kernel alone: it is bit for bit the same with one worker or many, in threads or in
processes, alone or among other jobs, and when repeated on the same machine; by the kernel ``lanes`` on any machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import InvalidRound, SamplesConflict, UnknownSamples
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.network import Network
from bcfl.models.training.bench import Kernel
from bcfl.models.training.busy import BusyClock
from bcfl.models.training.cluster import Cluster
from bcfl.models.training.coalition_models import mask_of
from bcfl.models.training.executors import WorkerPool
from bcfl.models.training.job import (
    ClassEvaluation,
    ClassGradientsJob,
    ClassLossesJob,
    CoalitionsJob,
    ConfusionJob,
    EvaluationJob,
    OutputsJob,
    SamplesRef,
    TrainingJob,
    TrainingResult,
)
from bcfl.models.training.side_by_side import all_of
from bcfl.models.training.team import Device, ExecutorKind, Team, assembled
from bcfl.models.weights import Weights

__all__ = ("Device", "Engine", "ExecutorKind")


class Engine:
    """Made by ``Engine.start``; all methods belong to the event loop that started it."""

    def __init__(
        self,
        pool: WorkerPool,
        team: Team,
        busy: BusyClock,
        kernel: Kernel = "torch",
    ) -> None:
        self._pool = pool
        self._team = team
        self._samples = team.samples
        self._busy = busy
        self.kernel: Kernel = kernel
        """What computes its jobs."""

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        executor: ExecutorKind | Cluster = "processes",
        workers: int = 1,
        device: Device = "cpu",
        kernel: Kernel = "torch",
    ) -> AsyncIterator[Engine]:
        """An engine for the length of the block.

        Args:
            executor: ``threads`` of this process (whose torch is then set to one thread a job), or worker
                ``processes``, which pay with small batches because Python code does not hold them up, or the workers of a
                cluster.
            workers: jobs that run at the same time, usually one for each core.
            device: ``auto`` is cuda where there is one.
            kernel: what computes; with ``lanes``, which leaves Python alone while it works, threads are the faster executor.
        """
        if workers < 1:
            raise ValueError(f"An engine needs at least one worker, not {workers}.")
        busy = BusyClock()
        with assembled(executor, workers=workers, device=device) as team:
            async with WorkerPool.open(team.workers, busy) as pool:
                yield cls(pool, team, busy, kernel)

    def computed_by(self, kernel: Kernel) -> Engine:
        """The same workers and samples with another kernel, for a task that names it."""
        return Engine(self._pool, self._team, self._busy, kernel)

    @property
    def busy_seconds(self) -> dict[str, float]:
        """Wall seconds in which ``training``, ``scoring`` and ``evaluation`` were under way."""
        return self._busy.seconds()

    def add_samples(self, key: str, samples: Samples) -> None:
        """Give every worker these samples once; jobs name them by ``key``. Adding the same again does nothing.

        Raises:
            SamplesConflict: other samples have that key.
        """
        known = self._samples.get(key)
        if known is samples:
            return
        if known is not None:
            if known.digest() == samples.digest():
                return
            raise SamplesConflict(f"The engine has other samples named '{key}' already: choose another key.")
        if self._team.shelf is not None:
            self._team.shelf.write(key, samples)
        self._samples[key] = samples

    def samples(self, chosen: SamplesRef) -> Samples:
        """The samples themselves.

        Raises:
            UnknownSamples: they were not added.
        """
        self._check(chosen)
        known = self._samples[chosen.key]
        return known if chosen.indices is None else known.select(chosen.indices)

    async def train(self, job: TrainingJob) -> TrainingResult:
        """Train a model.

        Raises:
            UnknownSamples: the job's samples were not added, or an index points past them.
            SchemaMismatch: the start does not fit the network.
            WorkFailed: the network or torch raised something.
            WorkerDied: the worker's process ended; the job may be given again.
        """
        self._check(job.samples)
        return cast("TrainingResult", await self._pool.run(job, self.kernel))

    async def evaluate(
        self,
        network: Network,
        weights: Weights,
        samples_key: str,
        indices: npt.NDArray[np.int64] | None = None,
    ) -> Evaluation:
        """Loss and accuracy of a model on the samples of that key, or on those at ``indices``; raises as ``train``."""
        samples = SamplesRef(samples_key, indices)
        self._check(samples)
        job = EvaluationJob(network=network, weights=weights, samples=samples)
        return cast("Evaluation", await self._pool.run(job, self.kernel))

    async def confusion(
        self,
        network: Network,
        weights: Weights,
        samples_key: str,
        classes: int,
        indices: npt.NDArray[np.int64] | None = None,
    ) -> list[list[int]]:
        """Which class the model takes for which, as ``Confusion.cells``; arguments and errors as ``evaluate``'s."""
        samples = SamplesRef(samples_key, indices)
        self._check(samples)
        job = ConfusionJob(network=network, weights=weights, samples=samples, classes=classes)
        return cast("list[list[int]]", await self._pool.run(job, self.kernel))

    async def coalition_losses(
        self,
        network: Network,
        start: Weights,
        updates: Sequence[Weights],
        weights: Sequence[float] | None,
        coalitions: Sequence[int | Iterable[int]],
        samples_key: str,
        indices: npt.NDArray[np.int64] | None = None,
    ) -> list[float]:
        """The mean loss of the model of each coalition; all as ``coalition_evaluations``."""
        evaluations = await self.coalition_evaluations(
            network, start, updates, weights, coalitions, samples_key, indices
        )
        return [evaluation.loss for evaluation in evaluations]

    async def coalition_evaluations(
        self,
        network: Network,
        start: Weights,
        updates: Sequence[Weights],
        weights: Sequence[float] | None,
        coalitions: Sequence[int | Iterable[int]],
        samples_key: str,
        indices: npt.NDArray[np.int64] | None = None,
    ) -> list[Evaluation]:
        """Loss and accuracy of the model of each coalition, in their order; raises as ``train``.

        Args:
            network: of the models.
            start: the global model w that the round began with; the model of the empty coalition.
            updates: the members' models after training (not differences).
            weights: the round's aggregation weights pᵢ: a coalition's model is w + Σ pᵢ(updateᵢ − w) over its
                members. None: it is the plain mean of its members' models (the published game).
            coalitions: bit masks over ``updates``, or sets of indices.
            samples_key: what to evaluate on.
            indices: those of them, all if None.
        """
        samples = SamplesRef(samples_key, indices)
        self._check(samples)
        if weights is not None and len(weights) != len(updates):
            raise InvalidRound(f"{len(updates)} updates need one weight each, not {len(weights)}.")
        for update in updates:
            start.same_schema(update)
        masks = [mask_of(coalition, len(updates)) for coalition in coalitions]
        found: dict[int, Evaluation] = {}

        async def score(part: list[int]) -> None:
            job = CoalitionsJob(
                network=network,
                start=start,
                updates=tuple(updates),
                proportions=None if weights is None else tuple(weights),
                coalitions=tuple(masks[place] for place in part),
                samples=samples,
            )
            found.update(
                zip(part, cast("list[Evaluation]", await self._pool.run(job, self.kernel)), strict=True)
            )

        await all_of(lambda _, part: score(part), self._shares(len(masks)))
        return [found[place] for place in range(len(masks))]

    async def class_losses(
        self,
        network: Network,
        models: Sequence[Weights],
        samples_key: str,
        *,
        indices: npt.NDArray[np.int64] | None = None,
        probe: int = 0,
        by_sample: bool = False,
    ) -> ClassEvaluation:
        """The mean loss a class and the accuracy of each model on the samples of that key; raises as ``train``.

        ``indices``: on those of the samples; ``probe``: of how many, from the first, the logits are given too;
        ``by_sample``: each sample's loss too.
        """
        samples = SamplesRef(samples_key, indices)
        self._check(samples)
        classes = self._classes(samples_key)
        parts = self._shares(len(models))
        answers: dict[int, ClassEvaluation] = {}

        async def measure(number: int, part: list[int]) -> None:
            job = ClassLossesJob(
                network=network,
                models=tuple(models[n] for n in part),
                samples=samples,
                classes=classes,
                probe=probe,
                by_sample=by_sample,
            )
            answers[number] = cast("ClassEvaluation", await self._pool.run(job, self.kernel))

        await all_of(measure, parts)
        if not parts:
            return ClassEvaluation(
                losses=np.zeros((0, classes)),
                accuracies=np.zeros(0),
                counts=np.zeros(classes, dtype=np.int64),
                outputs=np.zeros((0, probe, classes), dtype=np.float32),
                by_sample=np.zeros((0, 0), dtype=np.float32),
            )
        found = [answers[number] for number in range(len(parts))]
        return ClassEvaluation(
            losses=np.concatenate([answer.losses for answer in found]),
            accuracies=np.concatenate([answer.accuracies for answer in found]),
            counts=found[0].counts,
            outputs=np.concatenate([answer.outputs for answer in found]),
            by_sample=np.concatenate([answer.by_sample for answer in found]),
        )

    async def outputs(
        self, network: Network, models: Sequence[Weights], samples: Samples
    ) -> npt.NDArray[np.float32]:
        """Logits (models, n, classes) of each model on n samples that are sent along; raises as ``train``."""
        if not models:
            return np.zeros((0, len(samples), 0), dtype=np.float32)
        job = OutputsJob(network=network, models=tuple(models), samples=samples)
        return cast("npt.NDArray[np.float32]", await self._pool.run(job, self.kernel))

    async def class_gradients(
        self,
        network: Network,
        weights: Weights,
        samples_key: str,
        *,
        groups: npt.NDArray[np.int64],
        parts: int = 1,
    ) -> npt.NDArray[np.float32]:
        """The gradient of the mean loss of each group of classes at ``weights``, (groups, parts, d); raises as ``train``.

        Each is the sum of its ``parts``, which divide the samples of the group. ``groups``: of each class of the samples, (classes,).
        """
        samples = SamplesRef(samples_key)
        self._check(samples)
        found: dict[int, npt.NDArray[np.float32]] = {}

        async def some(number: int, terms: list[int]) -> None:
            job = ClassGradientsJob(
                network=network,
                weights=weights,
                samples=samples,
                groups=groups,
                parts=parts,
                terms=tuple(terms),
            )
            found[number] = cast("npt.NDArray[np.float32]", await self._pool.run(job, self.kernel))

        shares = self._shares((int(groups.max()) + 1) * parts)
        await all_of(some, shares)
        rows = np.concatenate([found[number] for number in range(len(shares))])
        return rows.reshape(-1, parts, rows.shape[1])

    def _shares(self, count: int) -> list[list[int]]:
        """The numbers below ``count`` for as many workers as there are; each is done by itself, so where they are cut changes no value."""
        return [part.tolist() for part in np.array_split(np.arange(count), self._pool.size) if len(part)]

    def _classes(self, samples_key: str) -> int:
        return int(self._samples[samples_key].targets.max()) + 1

    def _check(self, samples: SamplesRef) -> None:
        known = self._samples.get(samples.key)
        if known is None:
            raise UnknownSamples(
                f"The engine has no samples named '{samples.key}': add them with add_samples first."
            )
        if samples.indices is None:
            least, most, count = 0, len(known) - 1, len(known)
        else:
            count = len(samples.indices)
            least, most = (int(samples.indices.min()), int(samples.indices.max())) if count else (0, -1)
        if count == 0 or least < 0 or most >= len(known):
            raise UnknownSamples(
                f"A job needs at least one of the {len(known)} samples named '{samples.key}', counted from 0; "
                f"it names {count} from {least} to {most}."
            )
