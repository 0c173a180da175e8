# SPDX-License-Identifier: Apache-2.0
"""A module whose gradients are clipped sample by sample and noised, by Opacus, for as long as one job takes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from bcfl.models.errors import NetworkUnfit
from bcfl.models.networks.dropout import exchange_dropout
from bcfl.models.networks.network import Network, build
from bcfl.models.training.privacy import Privacy, check_opacus, steps_of

__all__ = ("PrivateGradients", "poisson_batches", "private_module")

# Torch says so of every first layer, whose inputs have no gradient; that is as it should be.
warnings.filterwarnings("ignore", message="Full backward hook is firing")


def private_module(
    name: str, network: Network, state: Mapping[str, torch.Tensor] | None = None
) -> torch.nn.Module:
    """A fresh module of the network with gradients for single samples; recurrent layers are Opacus's own, which compute the same.

    Args:
        name: of the network, for sentences.
        network: its entry.
        state: its tensors; as torch initialises them where there is none.

    Raises:
        PrivacyUnavailable: Opacus is not installed.
        NetworkUnfit: a layer mixes the samples of a batch, or is none that Opacus knows.
    """
    check_opacus()
    from opacus import GradSampleModule  # an extra, and slow to load
    from opacus.validators import ModuleValidator

    plain = build(network)
    exchange_dropout(plain)
    if state is not None:  # before it is fixed: a recurrent layer's tensors change their names
        plain.load_state_dict(state)
    module: torch.nn.Module = ModuleValidator.fix(plain)
    if not plain.state_dict().keys() <= module.state_dict().keys():
        raise NetworkUnfit(
            f"The network '{name}' normalises over a batch, which mixes its samples: none can be kept private. Choose another network, "
            f"or drop 'privacy'."
        )
    try:
        GradSampleModule(module, batch_first=True, loss_reduction="mean")  # only its hooks are wanted
    except NotImplementedError as error:
        first = str(error).splitlines()[0].rstrip(".")
        raise NetworkUnfit(
            f"The network '{name}' has a layer without gradients for single samples ({first}): choose another network, or drop 'privacy'."
        ) from error
    return module


class PrivateGradients:
    """Makes the gradients of a batch private, after its backward pass and before the optimiser's step."""

    def __init__(
        self,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        privacy: Privacy,
        *,
        batch_size: int,
        generator: torch.Generator,
    ) -> None:
        from opacus.optimizers import DPOptimizer  # an extra, and slow to load

        self._parameters = list(module.parameters())
        self._noised: Any = DPOptimizer(
            optimizer,
            noise_multiplier=privacy.noise_multiplier,
            max_grad_norm=privacy.max_grad_norm,
            expected_batch_size=batch_size,
            generator=generator,
        )

    def forget(self) -> None:
        """Before a batch: no gradients."""
        self._noised.zero_grad()

    def make(self, size: int) -> None:
        """Clip, sum and noise the gradients of a batch of ``size`` samples; an empty one is noise alone."""
        if size == 0:
            for parameter in self._parameters:
                parameter.grad_sample = torch.zeros((0, *parameter.shape), device=parameter.device)  # type: ignore[attr-defined] # Opacus's
        self._noised.pre_step()


def poisson_batches(
    indices: torch.Tensor, *, batch_size: int, epochs: int, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Batches in which every sample is with the same chance, ``batch_size`` of them on average; some may be empty."""
    share = min(1.0, batch_size / len(indices))
    for _ in range(steps_of(samples=len(indices), batch_size=batch_size, epochs=epochs)):
        drawn = torch.rand(len(indices), generator=generator, device=indices.device) < share
        yield indices[drawn]
