# SPDX-License-Identifier: Apache-2.0
"""Random tensors whose bits do not depend on the processor.

torch fills a tensor by code that is compiled once for each set of instructions, and a fused multiply-add rounds otherwise. Here
the generator's numbers are the same, and what is made of them is rounded after every operation, or once from float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import (
    TorchDispatchMode,
)  # every fill passes here, and no public place sees them all

__all__ = ("SameEverywhere",)

_STANDARD = NormalDist()


class SameEverywhere(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch leaves it untyped
    """Within the block, ``uniform_`` and ``normal_`` of float32 tensors on the CPU give the same on every machine.

    It is made of a private name of torch, the one place that sees every fill, whoever asks for it.
    """

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever torch gives
        given = dict(kwargs or {})
        if func is torch.ops.aten.uniform_.default and _is_usual(args[0]):
            return _uniform(*args, **given)
        if func is torch.ops.aten.normal_.default and _is_usual(args[0]):
            return _normal(*args, **given)
        return func(*args, **given)


def _is_usual(tensor: torch.Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


def _uniform(
    tensor: torch.Tensor,
    low: float = 0.0,
    to: float = 1.0,
    *,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    return tensor.uniform_(0.0, 1.0, generator=generator).mul_(to - low).add_(low)


def _normal(
    tensor: torch.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """By the inverse of the distribution function at the middle of each of 2²⁴ equal parts, Wichura 1988."""
    parts = torch.empty(tensor.numel()).uniform_(0.0, 1.0, generator=generator).double().numpy() + 2.0**-25
    drawn = np.array([mean + std * _STANDARD.inv_cdf(float(part)) for part in parts], dtype=np.float32)
    return tensor.copy_(torch.from_numpy(drawn).view(tensor.shape))
