# SPDX-License-Identifier: Apache-2.0
"""Evaluations of coalitions of updates by torch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from bcfl.models.evaluation import Evaluation, evaluate
from bcfl.models.networks.network import load_weights
from bcfl.models.training.coalition_models import CoalitionModels
from bcfl.models.training.job import CoalitionsJob
from bcfl.models.training.tensors import DeviceSamples

__all__ = ("coalition_evaluations",)


def coalition_evaluations(
    job: CoalitionsJob, module: torch.nn.Module, samples: DeviceSamples, *, cancelled: Callable[[], bool]
) -> list[Evaluation]:
    """Loss and accuracy of each of the job's coalitions, in their order; a broken model's loss is not finite.

    Raises:
        JobCancelled: ``cancelled`` said so.
    """
    models = CoalitionModels(job)
    indices = samples.indices(job.samples.indices)
    evaluations = []
    for coalition in job.coalitions:
        load_weights(module, models.model(coalition))
        evaluations.append(evaluate(module, samples, indices, cancelled=cancelled))
    return evaluations
