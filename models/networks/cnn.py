# SPDX-License-Identifier: Apache-2.0
"""Convolutional networks for 28 × 28 images: that of the published experiments, a quick one for sweeps, and LEAF's for FEMNIST."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcfl.models.networks.network import schema_of
from bcfl.models.weights import Schema
from bcfl.registry import register

if TYPE_CHECKING:
    import torch

__all__ = ("FemnistCnn", "MnistCnn", "MnistCnnSmall")


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


@register("network", "femnist_cnn", source="Caldas et al. 2018 (LEAF), arXiv 1812.01097")
@dataclass(frozen=True, kw_only=True)
class FemnistCnn:
    """LEAF's own for FEMNIST: two 5×5 convolutions (32, 64 channels) with padding and pooling, then 2,048 rectified units.

    6,603,710 parameters at 62 classes, a hundred and fifty times those of ``mnist_cnn``: set ``task.intake.max_update_bytes`` to 27,000,000.
    """

    hidden: int = 2048
    classes: int = 62

    def __post_init__(self) -> None:
        if min(self.hidden, self.classes) < 1:
            raise ValueError(f"hidden and classes must be at least 1, not {self.hidden} and {self.classes}")

    def schema(self) -> Schema:
        """The eight tensors of the network."""
        return schema_of(self)

    def build(self) -> torch.nn.Module:
        """A fresh module that gives logits (n, classes) of images (n, 1, 28, 28)."""
        from torch import nn  # entries are listed without loading torch

        return nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 32, kernel_size=5, padding=2),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(32, 64, kernel_size=5, padding=2),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
                flatten=nn.Flatten(),
                fc1=nn.Linear(3136, self.hidden),
                relu3=nn.ReLU(),
                fc2=nn.Linear(self.hidden, self.classes),
            )
        )
