# SPDX-License-Identifier: Apache-2.0
"""What a summary says of the final model class by class."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from bcfl.scenarios.outcome.summary_fields import FIELDS

__all__ = ("ClassScores", "Classification")


class ClassScores(BaseModel):
    """On some samples.

    Attributes:
        samples: how many.
        accuracy: the share that is of the class that the model says.
        precision: of what the model calls a class, the share that is of it: the mean over the classes that there are.
        recall: of the samples of a class, the share that the model calls so: the mean likewise.
        f1: their harmonic mean, class by class: the mean likewise.
        confusion: class, what the model says, samples; whatever is not 0.
    """

    model_config: ClassVar = FIELDS

    samples: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    confusion: tuple[tuple[int, int, int], ...]


class Classification(BaseModel):
    """The final model, class by class.

    Attributes:
        labels: what each class is called.
        overall: on the evaluator's validation set, or a consortium's test split.
        trainers: on 1,000 at most of each trainer's own samples; empty where there are more than 64 trainers.
    """

    model_config: ClassVar = FIELDS

    labels: tuple[str, ...]
    overall: ClassScores
    trainers: dict[str, ClassScores] = {}
