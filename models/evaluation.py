# SPDX-License-Identifier: Apache-2.0
"""Loss and accuracy of a model on samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcfl.models.errors import JobCancelled

if TYPE_CHECKING:
    import torch

    from bcfl.models.training.tensors import DeviceSamples

__all__ = ("Evaluation", "evaluate")

_CHUNK = 250
"""Samples a forward pass: activations of a small network then stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Mean cross-entropy a sample in nats, and the share of samples whose largest logit is the true class.

    ``probability``: the mean probability that the model gives to the true class, 0 to 1; ``balanced_probability``: the
    same with every class that is there counting alike.
    """

    loss: float
    accuracy: float
    samples: int
    probability: float = 0.0
    balanced_probability: float = 0.0


def evaluate(
    module: torch.nn.Module,
    samples: DeviceSamples,
    indices: torch.Tensor,
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Evaluation:
    """Evaluate a loaded module in evaluation mode; losses are summed in float64, in the order of ``indices``.

    Args:
        module: maps inputs (n, ...) to logits (n, classes).
        samples: where the indices point to, on the module's device.
        indices: (n,), at least one.
        cancelled: asked before every chunk.

    Raises:
        JobCancelled: ``cancelled`` said so.
    """
    import torch  # the engine's callers name Evaluation without loading torch

    module.eval()
    loss = torch.zeros((), dtype=torch.float64, device=samples.device)
    chances: list[torch.Tensor] = []
    classes: list[torch.Tensor] = []
    correct = torch.zeros((), dtype=torch.int64, device=samples.device)
    with torch.inference_mode():
        for chunk in torch.split(indices, _CHUNK):
            if cancelled():
                raise JobCancelled
            inputs, targets = samples.batch(chunk)
            logits = module(inputs)
            each = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
            loss += each.sum(dtype=torch.float64)
            chances.append(each.double().neg().exp())
            classes.append(targets)
            correct += (logits.argmax(dim=1) == targets).sum()
    count = len(indices)
    chance = torch.cat(chances)
    # bincount adds in the order of the samples, whatever the number of threads
    by_class = torch.bincount(torch.cat(classes), weights=chance)
    there = torch.bincount(torch.cat(classes))
    return Evaluation(
        loss=loss.item() / count,
        accuracy=int(correct.item()) / count,
        samples=count,
        probability=chance.sum().item() / count,
        balanced_probability=(by_class / there)[there > 0].mean().item(),
    )
