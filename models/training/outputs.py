# SPDX-License-Identifier: Apache-2.0
"""What models answer to given inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from bcfl.models.errors import JobCancelled
from bcfl.models.networks.network import load_weights
from bcfl.models.training.job import OutputsJob
from bcfl.models.training.tensors import DeviceSamples

__all__ = ("outputs",)

_CHUNK = 250


def outputs(
    job: OutputsJob, module: torch.nn.Module, samples: DeviceSamples, *, cancelled: Callable[[], bool]
) -> npt.NDArray[np.float32]:
    """Logits (models, n, classes).

    Raises:
        JobCancelled: ``cancelled`` said so.
    """
    module.eval()
    answers = []
    with torch.inference_mode():
        for weights in job.models:
            load_weights(module, weights)
            parts = []
            for chunk in torch.split(samples.indices(None), _CHUNK):
                if cancelled():
                    raise JobCancelled
                parts.append(module(samples.batch(chunk)[0]).cpu().numpy())
            answers.append(np.concatenate(parts))
    return np.array(answers, dtype=np.float32)
