# SPDX-License-Identifier: Apache-2.0
"""A fully connected network for tables of a few hundred rows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcfl.models.networks.network import schema_of
from bcfl.models.weights import Schema
from bcfl.registry import register

if TYPE_CHECKING:
    import torch

__all__ = ("Tabular",)


@register("network", "tabular")
@dataclass(frozen=True, kw_only=True)
class Tabular:
    """Hidden layers of rectified units, each with dropout, for rows of numbers; the defaults fit ``heart_disease``.

    ``hidden`` lists the layers' sizes; an empty list is multinomial logistic regression. Where rows are few, dropout is
    against learning them by heart.
    """

    inputs: int = 35
    hidden: tuple[int, ...] = (32,)
    dropout: float = 0.5
    classes: int = 2

    def __post_init__(self) -> None:
        if min(self.inputs, self.classes, *self.hidden) < 1:
            raise ValueError(
                f"inputs, hidden and classes must be at least 1, not {self.inputs}, {list(self.hidden)} and {self.classes}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")

    def schema(self) -> Schema:
        """The weight and bias of each layer."""
        return schema_of(self)

    def build(self) -> torch.nn.Module:
        """A fresh module that maps rows (n, inputs) to logits (n, classes)."""
        from torch import nn  # entries are listed without loading torch

        layers: OrderedDict[str, torch.nn.Module] = OrderedDict()
        widths = (self.inputs, *self.hidden)
        for number, units in enumerate(self.hidden, start=1):
            layers[f"fc{number}"] = nn.Linear(widths[number - 1], units)
            layers[f"relu{number}"] = nn.ReLU()
            layers[f"dropout{number}"] = nn.Dropout(self.dropout)
        layers[f"fc{len(widths)}"] = nn.Linear(widths[-1], self.classes)
        return nn.Sequential(layers)
