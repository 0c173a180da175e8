# SPDX-License-Identifier: Apache-2.0
"""Samples as torch tensors on a device, and the batches that a network sees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from bcfl.models.data.dataset import Samples

__all__ = ("DeviceSamples",)


class DeviceSamples:
    """Samples on a device, one byte a pixel or token where the data are so; batches become scaled float32, tokens int64.

    Every batch is a fresh tensor: its memory alignment, on which a matrix library's rounding may depend,
    is then the same whichever worker makes it.
    """

    def __init__(self, samples: Samples, device: torch.device) -> None:
        self._inputs = _tensor(samples.inputs, device)
        self._targets = _tensor(samples.targets, device)
        self._scale = samples.scale
        self._seen_as = torch.int64 if samples.tokens else torch.float32
        self.device = device

    def __len__(self) -> int:
        return len(self._targets)

    def indices(self, chosen: npt.NDArray[np.int64] | None) -> torch.Tensor:
        """``chosen``, or all, as an index tensor (n,) on the device."""
        if chosen is None:
            return torch.arange(len(self), device=self.device)
        return torch.as_tensor(np.array(chosen, dtype=np.int64), device=self.device)

    def batch(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (b, ...) as a network sees them, images in channels-last memory order, and targets (b,)."""
        inputs = self._inputs.index_select(0, indices).to(self._seen_as)
        if self._scale != 1.0:
            inputs.mul_(self._scale)
        if inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return inputs, self._targets.index_select(0, indices)


def _tensor(array: npt.NDArray[np.generic], device: torch.device) -> torch.Tensor:
    # torch warns when it shares a read-only array, though nothing here writes to it
    shareable = array if array.flags.writeable and array.flags.c_contiguous else np.array(array)
    return torch.from_numpy(shareable).to(device)
