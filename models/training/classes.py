# SPDX-License-Identifier: Apache-2.0
"""Losses class by class and gradients by group of classes: what defences look at beside the mean loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from bcfl.models.confusion import Confusion
from bcfl.models.errors import JobCancelled
from bcfl.models.networks.network import load_weights
from bcfl.models.training.job import ClassEvaluation, ClassGradientsJob, ClassLossesJob, ConfusionJob
from bcfl.models.training.tensors import DeviceSamples

__all__ = ("class_gradients", "class_losses")

_CHUNK = 250


def class_losses(
    job: ClassLossesJob, module: torch.nn.Module, samples: DeviceSamples, *, cancelled: Callable[[], bool]
) -> ClassEvaluation:
    """The mean loss a class and the accuracy of each of the job's models; not finite where a model is broken.

    Raises:
        JobCancelled: ``cancelled`` said so.
    """
    indices = samples.indices(job.samples.indices)
    rows, accuracies, outputs, by_sample = [], [], [], []
    counts: torch.Tensor = torch.zeros(0)
    module.eval()
    for weights in job.models:
        load_weights(module, weights)
        sums = torch.zeros(job.classes, dtype=torch.float64, device=samples.device)
        counts = torch.zeros(job.classes, dtype=torch.float64, device=samples.device)
        correct = torch.zeros((), dtype=torch.int64, device=samples.device)
        losses: list[torch.Tensor] = []
        with torch.inference_mode():
            for chunk in torch.split(indices, _CHUNK):
                if cancelled():
                    raise JobCancelled
                inputs, targets = samples.batch(chunk)
                logits = module(inputs)
                each = torch.nn.functional.cross_entropy(logits, targets, reduction="none").double()
                # bincount adds in the order of the samples, whatever the number of threads
                sums += torch.bincount(targets, weights=each, minlength=job.classes)
                counts += torch.bincount(targets, minlength=job.classes)
                correct += (logits.argmax(dim=1) == targets).sum()
                losses.append(each)
        rows.append((sums / counts.clamp(min=1)).cpu().numpy())
        outputs.append(_probe(module, samples, indices[: job.probe], job.classes))
        accuracies.append(int(correct.item()) / len(indices))
        by_sample.append(torch.cat(losses).cpu().numpy() if job.by_sample else np.zeros(0))
    return ClassEvaluation(
        losses=np.array(rows).reshape(len(job.models), job.classes),
        accuracies=np.array(accuracies),
        outputs=np.array(outputs, dtype=np.float32),
        by_sample=np.array(by_sample, dtype=np.float32),
        counts=counts.cpu().numpy().astype(np.int64),
    )


def _probe(
    module: torch.nn.Module, samples: DeviceSamples, indices: torch.Tensor, classes: int
) -> npt.NDArray[np.float32]:
    if not len(indices):
        return np.zeros((0, classes), dtype=np.float32)
    with torch.inference_mode():
        found: npt.NDArray[np.float32] = module(samples.batch(indices)[0]).cpu().numpy()
    return found


def confusion(
    job: ConfusionJob, module: torch.nn.Module, samples: DeviceSamples, *, cancelled: Callable[[], bool]
) -> list[list[int]]:
    """Class, what the model says, samples, of whatever there is any (``Confusion.cells``).

    Raises:
        JobCancelled: ``cancelled`` said so.
    """
    load_weights(module, job.weights)
    module.eval()
    targets, said = [], []
    with torch.inference_mode():
        for chunk in torch.split(samples.indices(job.samples.indices), _CHUNK):
            if cancelled():
                raise JobCancelled
            inputs, of_chunk = samples.batch(chunk)
            said.append(module(inputs).argmax(dim=1).cpu())
            targets.append(of_chunk.cpu())
    found = Confusion.of(torch.cat(targets).numpy(), torch.cat(said).numpy(), job.classes)
    cells: list[list[int]] = found.cells.tolist()
    return cells


def class_gradients(
    job: ClassGradientsJob, module: torch.nn.Module, samples: DeviceSamples, *, cancelled: Callable[[], bool]
) -> npt.NDArray[np.float32]:
    """The job's terms of the gradient of each group's mean loss at its weights, (terms, d).

    Zero for a group without samples, and for a part that gets none of a group with few.

    Raises:
        JobCancelled: ``cancelled`` said so.
    """
    indices = samples.indices(job.samples.indices)
    load_weights(module, job.weights)
    module.eval()
    parameters = dict(module.named_parameters())
    rows = []
    with torch.inference_mode():
        targets = torch.cat([samples.batch(chunk)[1] for chunk in torch.split(indices, _CHUNK)])
    for members, whole in job.members(indices.cpu().numpy(), targets.cpu().numpy()):
        module.zero_grad(set_to_none=True)
        for chunk in torch.split(torch.as_tensor(members, device=samples.device), _CHUNK):
            if cancelled():
                raise JobCancelled
            if len(chunk):
                inputs, labels = samples.batch(chunk)
                loss = torch.nn.functional.cross_entropy(module(inputs), labels, reduction="sum")
                (loss / whole).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        rows.append(_flat(job, parameters))
    module.zero_grad(set_to_none=True)
    return np.stack(rows)


def _flat(job: ClassGradientsJob, parameters: dict[str, torch.nn.Parameter]) -> npt.NDArray[np.float32]:
    """Gradients in the order of the schema; a buffer, which has none, counts as zero."""
    parts = []
    for tensor in job.weights.schema.tensors:
        parameter = parameters.get(tensor.name)
        gradient = parameter.grad if parameter is not None else None
        parts.append(
            np.zeros(tensor.size, dtype=np.float32)
            if gradient is None
            else gradient.detach().cpu().contiguous().numpy().ravel()
        )
    return np.concatenate(parts)
