# SPDX-License-Identifier: Apache-2.0
"""Dropout that draws from a job's own generator instead of the process's.

torch's dropout layers use one generator for the whole process, so two jobs in two threads would change
each other's masks. Before training, a module's dropout layers are exchanged for the ones here; a network
that calls ``torch.nn.functional.dropout`` itself is repeatable in worker processes only.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ("SeededDropout", "attach_generator", "exchange_dropout")


class SeededDropout(nn.Module):
    """Zeroes elements, or whole channels, with probability ``p`` and scales the rest by 1/(1−p) while training."""

    def __init__(self, p: float, *, whole_channels: bool) -> None:
        super().__init__()
        self.p = p
        self.whole_channels = whole_channels
        self.generator: torch.Generator | None = None

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs (n, ...) with the mask applied; unchanged in evaluation mode."""
        if not self.training or self.p == 0.0:
            return inputs
        if self.p == 1.0:
            return inputs * 0.0
        shape = (*inputs.shape[:2], *(1,) * (inputs.dim() - 2)) if self.whole_channels else inputs.shape
        kept = torch.rand(shape, generator=self.generator, device=inputs.device) >= self.p
        return inputs * (kept.to(inputs.dtype) / (1.0 - self.p))


def exchange_dropout(module: nn.Module) -> None:
    """Put a ``SeededDropout`` in the place of every dropout layer of torch below the module."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Dropout):
            setattr(module, name, SeededDropout(child.p, whole_channels=False))
        elif isinstance(child, nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            setattr(module, name, SeededDropout(child.p, whole_channels=True))
        else:
            exchange_dropout(child)


def attach_generator(module: nn.Module, generator: torch.Generator) -> None:
    """Let every ``SeededDropout`` of the module draw from ``generator``."""
    for child in module.modules():
        if isinstance(child, SeededDropout):
            child.generator = generator
