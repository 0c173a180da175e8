# SPDX-License-Identifier: Apache-2.0
"""The engine's jobs done by the kernel: the same answers as torch's, within rounding, and the same bits everywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bcfl.models.confusion import Confusion
from bcfl.models.data.dataset import Samples
from bcfl.models.errors import SchemaMismatch, UnknownSamples
from bcfl.models.evaluation import Evaluation
from bcfl.models.kernel.library import Library, Measured, library
from bcfl.models.kernel.plan import plan_of
from bcfl.models.networks.network import Network
from bcfl.models.training.answer import Answer
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.coalition_models import CoalitionModels
from bcfl.models.training.job import (
    ClassEvaluation,
    ClassGradientsJob,
    ClassLossesJob,
    CoalitionsJob,
    ConfusionJob,
    EvaluationJob,
    Job,
    OutputsJob,
    SamplesRef,
    TrainingJob,
    TrainingResult,
)
from bcfl.models.weights import Weights

__all__ = ("KernelBench",)

_Vector = npt.NDArray[np.float32]


class KernelBench:
    """Does one job at a time for each thread that calls it.

    Args:
        samples: by key; more may appear while it lives.
        kernel: None: this processor's.
    """

    def __init__(self, samples: Mapping[str, Samples], kernel: Library | None = None) -> None:
        self._samples = samples
        self._kernel = kernel or library()

    def perform(self, job: Job, *, cancelled: Cancellation) -> Answer:
        """Do the job.

        Raises:
            JobCancelled: ``cancelled`` said so.
            UnknownSamples: the job's samples were not added.
            SchemaMismatch: weights do not fit the network.
            KernelUnavailable: the kernel does not have a layer of its network.
            WorkFailed: samples and network do not fit.
        """
        if isinstance(job, OutputsJob):
            return self._outputs(job, cancelled)
        work = _Work(self._kernel, job.network, *self._chosen(job.samples), cancelled)
        match job:
            case TrainingJob():
                return _train(job, work)
            case EvaluationJob():
                return work.evaluate(job.weights)
            case ConfusionJob():
                said = work.measure(job.weights).largest
                cells: list[list[int]] = Confusion.of(work.targets, said, job.classes).cells.tolist()
                return cells
            case CoalitionsJob():
                models = CoalitionModels(job)
                return [work.evaluate(models.model(coalition)) for coalition in job.coalitions]
            case ClassLossesJob():
                return _class_losses(job, work)
            case ClassGradientsJob():
                return _class_gradients(job, work)

    def _outputs(self, job: OutputsJob, cancelled: Cancellation) -> _Vector:
        work = _Work(self._kernel, job.network, job.samples, np.arange(len(job.samples)), cancelled)
        return np.array([work.logits(weights) for weights in job.models], dtype=np.float32)

    def _chosen(self, reference: SamplesRef) -> tuple[Samples, npt.NDArray[np.int64]]:
        samples = self._samples.get(reference.key)
        if samples is None:
            raise UnknownSamples(
                f"The engine has no samples named '{reference.key}': add them with add_samples first."
            )
        return samples, np.arange(len(samples)) if reference.indices is None else reference.indices


class _Work:
    """One network on the samples of one job."""

    def __init__(
        self,
        kernel: Library,
        network: Network,
        samples: Samples,
        indices: npt.NDArray[np.int64],
        cancelled: Cancellation,
    ) -> None:
        self.kernel = kernel
        self.network = network
        self.plan = plan_of(network)
        self.samples = samples
        self.indices = indices
        self.cancelled = cancelled
        self.targets = samples.targets[indices]

    def vector(self, weights: Weights) -> _Vector:
        if weights.schema != self.network.schema():
            raise SchemaMismatch("The weights do not have the tensors of the network that should take them.")
        return np.ascontiguousarray(weights.vector)

    def measure(self, weights: Weights, *, logits: bool = False) -> Measured:
        return self.kernel.measure(
            self.plan,
            self.vector(weights),
            self.samples,
            self.indices,
            cancelled=self.cancelled,
            logits=logits,
        )

    def logits(self, weights: Weights) -> _Vector:
        found = self.measure(weights, logits=True).logits
        assert found is not None  # noqa: S101 - they were asked for
        return found

    def evaluate(self, weights: Weights) -> Evaluation:
        found = self.measure(weights)
        count = len(self.indices)
        chance = found.probabilities.astype(np.float64)
        # bincount adds in the order of the samples; fsum rounds once: both the same on every processor
        by_class = np.bincount(self.targets, weights=chance)
        there = np.bincount(self.targets)
        shares = (by_class / np.maximum(there, 1))[there > 0]
        return Evaluation(
            loss=_mean(found.losses),
            accuracy=int((found.largest == self.targets).sum()) / count,
            samples=count,
            probability=_mean(found.probabilities),
            balanced_probability=math.fsum(shares) / len(shares),
        )


def _mean(values: _Vector) -> float:
    with np.errstate(all="ignore"):
        if not np.isfinite(values).all():
            return float(values.astype(np.float64).sum() / len(values))
    return math.fsum(values.tolist()) / len(values)


def _train(job: TrainingJob, work: _Work) -> TrainingResult:
    began = time.perf_counter()
    vector, loss, steps = work.kernel.train(
        work.plan,
        work.vector(job.start),
        work.samples,
        work.indices,
        given=job.hyperparameters,
        seed=job.seed,
        most_steps=job.most_steps,
        cancelled=work.cancelled,
    )
    weights = Weights(job.start.schema, vector)
    return TrainingResult(
        weights=weights,
        loss=loss,
        train_loss=_mean(work.measure(weights).losses),
        steps=steps,
        seconds=time.perf_counter() - began,
    )


def _class_losses(job: ClassLossesJob, work: _Work) -> ClassEvaluation:
    counts = np.bincount(work.targets, minlength=job.classes)
    found = [work.measure(weights, logits=job.probe > 0) for weights in job.models]
    sums = [
        np.bincount(work.targets, weights=one.losses.astype(np.float64), minlength=job.classes)
        for one in found
    ]
    return ClassEvaluation(
        losses=np.array(sums).reshape(len(found), job.classes) / np.maximum(counts, 1),
        accuracies=np.array([int((one.largest == work.targets).sum()) / len(work.targets) for one in found]),
        counts=counts.astype(np.int64),
        outputs=np.array([_probed(job, one) for one in found], dtype=np.float32),
        by_sample=np.array([one.losses if job.by_sample else one.losses[:0] for one in found]),
    )


def _probed(job: ClassLossesJob, measured: Measured) -> _Vector:
    logits = measured.logits
    return np.zeros((0, job.classes), dtype=np.float32) if logits is None else logits[: job.probe]


def _class_gradients(job: ClassGradientsJob, work: _Work) -> _Vector:
    """As ``training.classes.class_gradients``: zero where a part has no samples."""
    vector = work.vector(job.weights)
    return np.stack(
        [
            work.kernel.gradient(
                work.plan, vector, work.samples, members, divisor=whole, cancelled=work.cancelled
            )
            for members, whole in job.members(work.indices, work.targets)
        ]
    )
