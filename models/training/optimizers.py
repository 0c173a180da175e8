# SPDX-License-Identifier: Apache-2.0
"""Client optimisers: how a trainer's own weights follow their gradients. Each job has a fresh one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bcfl.registry import register

if TYPE_CHECKING:
    import torch

__all__ = ("Adam", "Optimizer", "Sgd")


class Optimizer(Protocol):
    """An entry of kind ``optimizer``: a frozen dataclass whose fields are its parameters; it reaches workers by pickle."""

    def build(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
    ) -> torch.optim.Optimizer:
        """A fresh one for these parameters; the rest is of ``task.training``."""
        ...


@register("optimizer", "sgd", source="Robbins, Monro 1951; Polyak 1964")
@dataclass(frozen=True, kw_only=True)
class Sgd:
    """Stochastic gradient descent with ``task.training.momentum``; ``nesterov`` looks ahead."""

    nesterov: bool = False

    def build(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
    ) -> torch.optim.Optimizer:
        """Torch's."""
        from torch.optim import SGD  # entries are listed without loading torch

        return SGD(
            parameters,
            lr=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=self.nesterov and momentum > 0,
            foreach=True,
        )


@register(
    "optimizer",
    "adam",
    source="Kingma, Ba 2015, arXiv 1412.6980; decoupled decay: Loshchilov, Hutter 2019, arXiv 1711.05101",
)
@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam with decoupled weight decay; ``task.training.momentum`` says nothing to it, ``beta1`` does."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and self.epsilon > 0):
            raise ValueError(
                f"beta1 and beta2 must be at least 0 and below 1 and epsilon above 0, not {self.beta1}, {self.beta2} and {self.epsilon}"
            )

    def build(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        learning_rate: float,
        momentum: float,  # noqa: ARG002 - see above
        weight_decay: float,
    ) -> torch.optim.Optimizer:
        """Torch's AdamW."""
        from torch.optim import AdamW  # entries are listed without loading torch

        return AdamW(
            parameters,
            lr=learning_rate,
            betas=(self.beta1, self.beta2),
            eps=self.epsilon,
            weight_decay=weight_decay,
            foreach=True,
        )
