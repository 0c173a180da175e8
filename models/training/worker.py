# SPDX-License-Identifier: Apache-2.0
"""One worker's own torch and its jobs: the same code in a thread and in a process, so the same results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import DeviceUnavailable, UnknownSamples
from bcfl.models.evaluation import evaluate
from bcfl.models.networks.dropout import exchange_dropout
from bcfl.models.networks.network import Network, build, load_weights
from bcfl.models.training.answer import Answer
from bcfl.models.training.classes import class_gradients, class_losses, confusion
from bcfl.models.training.coalitions import coalition_evaluations
from bcfl.models.training.job import (
    ClassGradientsJob,
    ClassLossesJob,
    CoalitionsJob,
    ConfusionJob,
    EvaluationJob,
    Job,
    OutputsJob,
    TrainingJob,
)
from bcfl.models.training.outputs import outputs
from bcfl.models.training.sgd import train
from bcfl.models.training.tensors import DeviceSamples

__all__ = ("Workbench",)


class Workbench:
    """Modules and tensors of one worker, used by one thread at a time.

    Args:
        device: ``cpu``, ``cuda`` or ``auto`` (cuda where there is one).
        samples: by key; more may appear while the worker lives.
    """

    def __init__(self, device: str, samples: Mapping[str, Samples]) -> None:
        self._chosen = device
        self._samples = samples
        self._tensors: dict[str, DeviceSamples] = {}
        self._modules: dict[Network, torch.nn.Module] = {}

    @cached_property
    def device(self) -> torch.device:
        """Where this worker computes.

        Raises:
            DeviceUnavailable: cuda was asked for and torch sees none.
        """
        found = torch.cuda.is_available() if self._chosen != "cpu" else False
        if self._chosen == "cuda" and not found:
            raise DeviceUnavailable("torch finds no CUDA device: set the device to 'cpu' or 'auto'.")
        if found:
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
        return torch.device("cuda" if found else "cpu")

    def perform(self, job: Job, *, cancelled: Callable[[], bool]) -> Answer:
        """Do the job.

        Raises:
            JobCancelled: ``cancelled`` said so.
            UnknownSamples: the job's samples were not added.
            SchemaMismatch: weights do not fit the network.
            Exception: whatever the network or torch raised.
        """
        # One thread a worker: more threads than cores spin in barriers, and a split sum would round otherwise.
        torch.set_num_threads(1)
        module = self._module(job.network)
        if isinstance(job, OutputsJob):
            return outputs(job, module, DeviceSamples(job.samples, self.device), cancelled=cancelled)
        samples = self._device_samples(job.samples.key)
        match job:
            case TrainingJob():
                return train(job, module, samples, cancelled=cancelled)
            case EvaluationJob():
                load_weights(module, job.weights)
                return evaluate(module, samples, samples.indices(job.samples.indices), cancelled=cancelled)
            case ConfusionJob():
                return confusion(job, module, samples, cancelled=cancelled)
            case CoalitionsJob():
                return coalition_evaluations(job, module, samples, cancelled=cancelled)
            case ClassLossesJob():
                return class_losses(job, module, samples, cancelled=cancelled)
            case ClassGradientsJob():
                return class_gradients(job, module, samples, cancelled=cancelled)

    def _module(self, network: Network) -> torch.nn.Module:
        if network not in self._modules:
            module = build(network)
            exchange_dropout(module)
            self._modules[network] = _channels_last(module.to(self.device))
        return self._modules[network]

    def _device_samples(self, key: str) -> DeviceSamples:
        if key not in self._tensors:
            if key not in self._samples:
                raise UnknownSamples(
                    f"The engine has no samples named '{key}': add them with add_samples first."
                )
            self._tensors[key] = DeviceSamples(self._samples[key], self.device)
        return self._tensors[key]


def _channels_last(module: torch.nn.Module) -> torch.nn.Module:
    """Convolution weights in the memory order that a CPU pools and convolves fastest; others stay as they are."""
    arranged: Any = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stub
    result: torch.nn.Module = arranged
    return result
