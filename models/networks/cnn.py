# SPDX-License-Identifier: Apache-2.0
"""Convolutional networks for MNIST: that of the published experiments, and a quick one for sweeps."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcfl.models.networks.network import schema_of
from bcfl.models.weights import Schema
from bcfl.registry import register

if TYPE_CHECKING:
    import torch

__all__ = ("MnistCnn", "MnistCnnSmall")


@register("network", "mnist_cnn", source="the published MNIST and FEMNIST experiments")
@dataclass(frozen=True, kw_only=True)
class MnistCnn:
    """Two 5×5 convolutions (10, 20 channels) with pooling, then 100 linear units, for images (n, 1, 28, 28).

    38,390 parameters at 10 classes. The published forward pass has no activation between the two linear
    layers, and its final log-softmax is left out: cross-entropy applies it.
    """

    dropout: float = 0.25
    classes: int = 10

    def __post_init__(self) -> None:
        if self.classes < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"classes must be at least 1 and dropout at least 0 and below 1, not {self.classes} and {self.dropout}"
            )

    def schema(self) -> Schema:
        """The eight tensors of the network."""
        return schema_of(self)

    def build(self) -> torch.nn.Module:
        """A fresh module that gives logits (n, classes)."""
        from torch import nn  # entries are listed without loading torch

        return nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 10, kernel_size=5),
                pool1=nn.MaxPool2d(2),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(10, 20, kernel_size=5),
                pool2=nn.MaxPool2d(2),
                relu2=nn.ReLU(),
                dropout=nn.Dropout2d(self.dropout),
                flatten=nn.Flatten(),
                fc1=nn.Linear(320, 100),
                fc2=nn.Linear(100, self.classes),
            )
        )


@register("network", "mnist_cnn_small", source="LeCun et al. 1998, with strides in place of pooling")
@dataclass(frozen=True, kw_only=True)
class MnistCnnSmall:
    """Two 5×5 convolutions of stride 2 (8, 16 channels), then 64 rectified units, for images (n, 1, 28, 28).

    20,522 parameters at 10 classes; a forward pass takes a twelfth of ``mnist_cnn``'s, for grids of many runs.
    """

    classes: int = 10

    def __post_init__(self) -> None:
        if self.classes < 1:
            raise ValueError(f"classes must be at least 1, not {self.classes}")

    def schema(self) -> Schema:
        """The eight tensors of the network."""
        return schema_of(self)

    def build(self) -> torch.nn.Module:
        """A fresh module that gives logits (n, classes)."""
        from torch import nn  # entries are listed without loading torch

        return nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 8, kernel_size=5, stride=2),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(8, 16, kernel_size=5, stride=2),
                relu2=nn.ReLU(),
                flatten=nn.Flatten(),
                fc1=nn.Linear(256, 64),
                relu3=nn.ReLU(),
                fc2=nn.Linear(64, self.classes),
            )
        )
