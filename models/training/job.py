# SPDX-License-Identifier: Apache-2.0
"""What the engine is asked to do, and what it answers: plain values that any worker can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Samples
from bcfl.models.networks.network import Network
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.weights import Weights

__all__ = (
    "ClassEvaluation",
    "ClassGradientsJob",
    "ClassLossesJob",
    "CoalitionsJob",
    "ConfusionJob",
    "EvaluationJob",
    "Job",
    "OutputsJob",
    "SamplesRef",
    "TrainingJob",
    "TrainingResult",
    "WorkKind",
)

WorkKind = Literal["training", "scoring", "evaluation"]


@dataclass(frozen=True, eq=False)
class SamplesRef:
    """Samples that the engine was given under ``key``; all of them, or those at ``indices`` in that order."""

    key: str
    indices: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingJob:
    """Train ``network`` from ``start`` on ``samples``; order and dropout follow ``seed`` alone.

    ``most_steps`` ends it after that many mini-batches; None: after all epochs.
    """

    kind: ClassVar[WorkKind] = "training"

    network: Network
    hyperparameters: Hyperparameters
    start: Weights
    samples: SamplesRef
    seed: int
    most_steps: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult:
    """What a training job gives.

    ``loss`` is the mean training loss a sample over the last epoch (with dropout, while weights move);
    ``train_loss`` the mean loss on the same samples afterwards, in evaluation mode. ``seconds`` are wall time.
    """

    weights: Weights
    loss: float
    train_loss: float
    steps: int
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationJob:
    """Loss and accuracy of ``weights`` on ``samples``."""

    kind: ClassVar[WorkKind] = "evaluation"

    network: Network
    weights: Weights
    samples: SamplesRef


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfusionJob:
    """Which class the model takes for which on ``samples``; it tells ``classes`` apart."""

    kind: ClassVar[WorkKind] = "evaluation"

    network: Network
    weights: Weights
    samples: SamplesRef
    classes: int


@dataclass(frozen=True, kw_only=True, eq=False)
class CoalitionsJob:
    """Losses and accuracies of the models of ``coalitions``, each a bit mask over ``updates``.

    With ``proportions`` pᵢ a coalition's model is start + Σ pᵢ(updateᵢ − start) over its members; without,
    the plain mean of its members' models, and ``start`` for the empty coalition.
    """

    kind: ClassVar[WorkKind] = "scoring"

    network: Network
    start: Weights
    updates: tuple[Weights, ...]
    proportions: tuple[float, ...] | None
    coalitions: Sequence[int]
    samples: SamplesRef


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassLossesJob:
    """Loss a class of each of ``models`` on ``samples``, whose targets are below ``classes``; logits of the first ``probe``.

    ``by_sample``: whether the loss on each sample is given too.
    """

    kind: ClassVar[WorkKind] = "evaluation"

    network: Network
    models: tuple[Weights, ...]
    samples: SamplesRef
    classes: int
    probe: int = 0
    by_sample: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassEvaluation:
    """Mean losses (models, classes) in nats, 0 for a class without samples; accuracies (models,); samples a class.

    ``outputs``: logits (models, probe, classes) of the first samples. ``by_sample``: losses (models, samples), where asked
    for, else (models, 0).
    """

    losses: npt.NDArray[np.float64]
    accuracies: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.float32]
    by_sample: npt.NDArray[np.float32]

    @property
    def means(self) -> npt.NDArray[np.float64]:
        """Each model's mean loss over all samples, (models,)."""
        total: npt.NDArray[np.float64] = (self.losses * self.counts).sum(axis=1) / max(
            1, int(self.counts.sum())
        )
        return total


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassGradientsJob:
    """Gradient of each class's mean loss at ``weights``, as the sum of ``parts`` terms: of every so-many-th sample.

    ``groups``: of each class, (classes,) from 0 on; its own number where each is its own group. ``terms``: which of them all, a
    group's one after the other.
    """

    kind: ClassVar[WorkKind] = "evaluation"

    network: Network
    weights: Weights
    samples: SamplesRef
    groups: npt.NDArray[np.int64]
    parts: int
    terms: tuple[int, ...]

    def members(
        self, indices: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]
    ) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
        """Of each term, of samples (n,) with those classes: which it is of, and how many its whole group has, at least 1."""
        of_each = self.groups[targets]
        for term in self.terms:
            group, part = divmod(term, self.parts)
            whole = indices[of_each == group]
            yield whole[part :: self.parts], max(1, len(whole))


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputsJob:
    """Logits of each of ``models`` on samples that come along: few of them, and never asked for again."""

    kind: ClassVar[WorkKind] = "evaluation"

    network: Network
    models: tuple[Weights, ...]
    samples: Samples


Job = (
    TrainingJob
    | EvaluationJob
    | ConfusionJob
    | CoalitionsJob
    | ClassLossesJob
    | ClassGradientsJob
    | OutputsJob
)
