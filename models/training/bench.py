# SPDX-License-Identifier: Apache-2.0
"""Where a worker does its jobs: at the kernel that the task names, each made ready when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from bcfl.errors import ModelError
from bcfl.models.data.dataset import Samples
from bcfl.models.errors import WorkFailed
from bcfl.models.training.answer import Answer
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.job import Job, TrainingJob
from bcfl.models.training.optimizers import Sgd

if TYPE_CHECKING:
    from bcfl.models.kernel.bench import KernelBench
    from bcfl.models.training.worker import Workbench

__all__ = ("Bench", "Kernel")

Kernel = Literal["torch", "lanes"]
"""What computes: torch, or the compiled kernel, whose bits are the same on every x86 processor."""


class Bench:
    """Of one worker, used by one thread at a time.

    Args:
        device: torch's: ``cpu``, ``cuda`` or ``auto`` (cuda where there is one).
        samples: by key; more may appear while the worker lives.
    """

    def __init__(self, device: str, samples: Mapping[str, Samples]) -> None:
        self._device = device
        self._samples = samples

    def perform(self, job: Job, *, kernel: Kernel, cancelled: Cancellation) -> Answer:
        """Do the job.

        Training with privacy, or by another optimiser than descent, is torch's whatever the kernel.

        Raises:
            JobCancelled: ``cancelled`` said so.
            UnknownSamples: the job's samples were not added.
            SchemaMismatch: weights do not fit the network.
            KernelUnavailable: the kernel cannot be had here.
            WorkFailed: anything else went wrong; the cause is in ``__cause__``, from a process as a note.
        """
        try:
            if kernel == "lanes" and _is_covered(job):
                return self._lanes.perform(job, cancelled=cancelled)
            return self._torch.perform(job, cancelled=cancelled)
        except ModelError:
            raise
        except Exception as error:
            raise WorkFailed(
                f"A worker could not finish its {job.kind} of {type(job.network).__name__}: "
                f"{type(error).__name__}: {str(error).rstrip('.')}."
            ) from error

    @cached_property
    def _torch(self) -> Workbench:
        from bcfl.models.training.worker import Workbench  # loads torch

        return Workbench(self._device, self._samples)

    @cached_property
    def _lanes(self) -> KernelBench:
        from bcfl.models.kernel.bench import KernelBench  # the kernel is made when it is first used

        return KernelBench(self._samples)


def _is_covered(job: Job) -> bool:
    if not isinstance(job, TrainingJob):
        return True
    return job.hyperparameters.privacy is None and isinstance(job.hyperparameters.optimizer, Sgd)
