# SPDX-License-Identifier: Apache-2.0
"""A network as the kernel takes it: its layers by kind with their numbers, read from the torch module that the entry builds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import KernelUnavailable
from bcfl.models.networks.network import Network, build

if TYPE_CHECKING:
    from torch import nn

__all__ = ("LayerPlan", "plan_of")

_NUMBERS = 8
_WIDEST_KERNEL = 5
_MOST_PARAMETERS = 8_000_000


class _Kind(IntEnum):
    """As ``lanes/network.hpp`` numbers them."""

    CONVOLUTION = 1
    MAX_POOL = 2
    RELU = 3
    LINEAR = 4
    DROPOUT = 5
    EMBEDDING = 6
    LSTM = 7
    LAST = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPlan:
    """Layers as (layers, 8) int32 rows: what is trained, and what is evaluated (a recurrent network's last place)."""

    training: npt.NDArray[np.int32]
    evaluation: npt.NDArray[np.int32]
    classes: int
    parameters: int
    inputs: int
    """Axes of a sample: 3 of an image, 1 of a row or a sequence; 0: any, since they are flattened first."""
    recurrent: bool = False


def plan_of(network: Network) -> LayerPlan:
    """The network's layers.

    Raises:
        KernelUnavailable: one of them is none of the kernel's.
    """
    return _plan_of(network)  # type: ignore[arg-type] # entries are hashable, which the port cannot say


@lru_cache(maxsize=64)
def _plan_of(network: Network) -> LayerPlan:
    from bcfl.models.networks.recurrent import Recurrent  # loads torch
    from bcfl.models.training.trial import BYTES_A_NUMBER, model_bytes

    # a stranger may name any size: it is known before anything is made
    size = (model_bytes(type(network).__name__, network) or 0) // BYTES_A_NUMBER
    if size > _MOST_PARAMETERS:
        raise _not_covered(f"room for {size:,} parameters, above {_MOST_PARAMETERS:,}")
    module = build(network)
    size = sum(tensor.numel() for tensor in module.state_dict().values())
    if not all(tensor.requires_grad for tensor in module.parameters()):
        raise _not_covered("weights that are not trained")
    return _recurrent(module, size) if type(module) is Recurrent else _sequential(module, size)


def _sequential(module: nn.Module, size: int) -> LayerPlan:
    from torch import nn  # see above

    rows: list[list[int]] = []
    flat, axes, outputs = False, 0, 0
    parts = list(_parts(module))
    for part in parts:
        match part:
            case _ if type(part) not in _layers():
                raise _not_covered(f"a layer {part}")  # a subclass may do anything
            case nn.Flatten(start_dim=1, end_dim=-1):
                flat = True
            case nn.Linear() if flat or not rows:
                axes = axes or (0 if flat else 1)
                flat, outputs = True, part.out_features
                rows.append(_row(_Kind.LINEAR, outputs, part.bias is not None))
            case nn.ReLU():
                rows.append(_row(_Kind.RELU))
            case nn.Conv2d() if not flat:
                axes = 3
                rows.append(_convolution(part))
            case nn.MaxPool2d() if not flat:
                axes = 3
                rows.append(_pool(part))
            case nn.Dropout():
                rows.append(_row(_Kind.DROPOUT, _bits(part.p)))
            case nn.Dropout2d() if rows and not flat:
                rows.append(_row(_Kind.DROPOUT, _bits(part.p), True))
            case _:
                raise _not_covered(f"a layer {part}")
    if not rows or rows[-1][0] != _Kind.LINEAR:
        raise _not_covered("a network whose last layer is not linear")
    plan = np.array(rows, dtype=np.int32)
    return LayerPlan(training=plan, evaluation=plan, classes=outputs, parameters=size, inputs=axes)


def _recurrent(module: nn.Module, size: int) -> LayerPlan:
    from bcfl.models.networks.recurrent import Recurrent  # see above

    assert isinstance(module, Recurrent)  # noqa: S101 - the caller looked
    table, memory, last = module.embedding, module.lstm, module.fc
    front = [_row(_Kind.EMBEDDING, table.num_embeddings, table.embedding_dim)]
    front += [_row(_Kind.LSTM, memory.hidden_size)] * memory.num_layers
    dropout = _row(_Kind.DROPOUT, _bits(module.dropout.p))
    head = [dropout, _row(_Kind.LINEAR, last.out_features, True)]
    everywhere = [dropout, _row(_Kind.LINEAR, last.out_features, True, True)]
    evaluation = np.array([*front, _row(_Kind.LAST), *head], dtype=np.int32)
    return LayerPlan(
        training=np.array([*front, *everywhere], dtype=np.int32) if module.every_step else evaluation,
        evaluation=evaluation,
        classes=last.out_features,
        parameters=size,
        inputs=1,
        recurrent=True,
    )


def _layers() -> frozenset[type[nn.Module]]:
    from torch import nn  # see above

    return frozenset({nn.Flatten, nn.Linear, nn.ReLU, nn.Conv2d, nn.MaxPool2d, nn.Dropout, nn.Dropout2d})


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    from torch import nn  # see above

    if type(module) is nn.Sequential:
        for child in module:
            yield from _parts(child)
    else:
        yield module


def _convolution(part: nn.Conv2d) -> list[int]:
    kernel, stride, padding = part.kernel_size, part.stride, part.padding
    if (
        part.groups != 1
        or part.dilation != (1, 1)
        or part.padding_mode != "zeros"
        or isinstance(padding, str)
        or kernel[0] > _WIDEST_KERNEL
        or any(one[0] != one[1] for one in (kernel, stride, padding))
    ):
        raise _not_covered(f"a layer {part}")
    return _row(
        _Kind.CONVOLUTION, part.out_channels, kernel[0], stride[0], int(padding[0]), part.bias is not None
    )


def _pool(part: nn.MaxPool2d) -> list[int]:
    kernel, stride = part.kernel_size, part.stride
    if (
        not isinstance(kernel, int)
        or not isinstance(stride, int)
        or part.padding != 0
        or part.dilation != 1
        or part.ceil_mode
    ):
        raise _not_covered(f"a layer {part}")
    return _row(_Kind.MAX_POOL, kernel, stride)


def _row(kind: _Kind, *numbers: int) -> list[int]:
    return [kind, *map(int, numbers), *(0,) * (_NUMBERS - 1 - len(numbers))]


def _bits(share: float) -> int:
    """A float32 as the int32 of the same bits."""
    bits: int = struct.unpack("i", struct.pack("f", share))[0]
    return bits


def _not_covered(what: str) -> KernelUnavailable:
    return KernelUnavailable(f"The kernel 'lanes' does not have {what}.")
