# SPDX-License-Identifier: Apache-2.0
"""The network that guesses the next character of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bcfl.models.networks.network import schema_of
from bcfl.models.weights import Schema
from bcfl.registry import register

if TYPE_CHECKING:
    import torch

__all__ = ("CharLstm",)


@register(
    "network",
    "char_lstm",
    source="the published Shakespeare experiment; Caldas et al. 2018 (LEAF), arXiv 1812.01097",
)
@dataclass(frozen=True, kw_only=True)
class CharLstm:
    """Embedding, layers of long short-term memory, dropout and a linear layer on the last step, for tokens (n, length).

    832,375 parameters by default, the published network; LEAF's own has no dropout and 80 letters. ``learn`` says what training
    minimises: the loss of the character after the window (``last``, as published), or the mean over every character in it too
    (``all``), of which each is the one to guess for those before it. What a model is measured by is the last one either way.
    """

    vocabulary: int = 127
    embedding: int = 8
    hidden: int = 256
    layers: int = 2
    dropout: float = 0.5
    learn: Literal["last", "all"] = "last"
    classes: int = 127

    def __post_init__(self) -> None:
        sizes = {
            name: getattr(self, name) for name in ("vocabulary", "embedding", "hidden", "layers", "classes")
        }
        if min(sizes.values()) < 1 or not 0 <= self.dropout < 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise ValueError(
                f"sizes must be at least 1 and dropout at least 0 and below 1, not {told}, dropout {self.dropout}"
            )
        if self.learn == "all" and self.classes < self.vocabulary:
            raise ValueError(
                f"learn: all guesses every character, so that classes must be the vocabulary's {self.vocabulary} at least, not {self.classes}"
            )

    def schema(self) -> Schema:
        """The embedding, four tensors a layer, and the linear layer."""
        return schema_of(self)

    def build(self) -> torch.nn.Module:
        """A fresh module that maps tokens (n, length), int64, to logits (n, classes)."""
        from bcfl.models.networks.recurrent import Recurrent  # entries are listed without loading torch

        return Recurrent(
            vocabulary=self.vocabulary,
            embedding=self.embedding,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            classes=self.classes,
            every_step=self.learn == "all",
        )
