# SPDX-License-Identifier: Apache-2.0
"""A small fully connected network for images or tables."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcfl.models.networks.network import schema_of
from bcfl.models.weights import Schema
from bcfl.registry import register

if TYPE_CHECKING:
    import torch

__all__ = ("Mlp",)


@register("network", "mlp")
@dataclass(frozen=True, kw_only=True)
class Mlp:
    """One hidden layer with ReLU over the flattened input; ``hidden`` 0 is multinomial logistic regression."""

    inputs: int = 784
    hidden: int = 32
    classes: int = 10

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.classes < 1 or self.hidden < 0:
            raise ValueError(
                f"inputs and classes must be at least 1 and hidden at least 0, not {self.inputs}, {self.classes} and {self.hidden}"
            )

    def schema(self) -> Schema:
        """The weight and bias of each layer."""
        return schema_of(self)

    def build(self) -> torch.nn.Module:
        """A fresh module that gives logits (n, classes)."""
        from torch import nn  # entries are listed without loading torch

        if self.hidden == 0:
            return nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(self.inputs, self.classes)))
        return nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                fc1=nn.Linear(self.inputs, self.hidden),
                relu1=nn.ReLU(),
                fc2=nn.Linear(self.hidden, self.classes),
            )
        )
