# SPDX-License-Identifier: Apache-2.0
"""What a network entry is, and how it is built, initialised, loaded and read as one flat vector."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from bcfl.models.errors import SchemaMismatch
from bcfl.models.weights import Schema, TensorSpec, Weights

if TYPE_CHECKING:
    import torch

__all__ = (
    "Network",
    "OwnLoss",
    "build",
    "initial_weights",
    "load_weights",
    "normalises_batches",
    "read_weights",
    "schema_of",
    "training_loss",
)

# Building a module draws from torch's process-wide generator: one at a time, under a seed of its own.
_building = threading.Lock()


@runtime_checkable
class OwnLoss(Protocol):
    """A module that is trained by another loss than the cross-entropy of its logits."""

    def training_loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar, in nats."""
        ...


class Network(Protocol):
    """An entry of kind ``network``: a frozen, hashable dataclass whose fields are its parameters.

    A worker process receives it by pickle, so its class must be importable by name.
    """

    def build(self) -> torch.nn.Module:
        """A fresh module that maps inputs (n, ...) to logits (n, classes), initialised as torch does by default."""
        ...

    def schema(self) -> Schema:
        """The float32 tensors of the module in the order of its state; ``schema_of(self)`` computes it."""
        ...


def build(network: Network, *, seed: int = 0) -> torch.nn.Module:
    """The network's module, initialised from ``seed``; torch's global generator is left as it was."""
    import torch  # entries are listed without loading torch

    from bcfl.models.networks.initialisation import SameEverywhere

    same = SameEverywhere()  # type: ignore[no-untyped-call] # torch leaves its base untyped
    with _building, torch.random.fork_rng(devices=[]), same:
        torch.default_generator.manual_seed(seed)
        return network.build()


@lru_cache(maxsize=64)
def schema_of(network: Network) -> Schema:
    """The schema of the network's module: its parameters and floating-point buffers.

    Raises:
        SchemaMismatch: a floating-point tensor is not float32.
    """
    return Schema(
        tuple(
            TensorSpec(name=name, shape=tuple(tensor.shape))
            for name, tensor in _state(build(network)).items()
        )
    )


def initial_weights(network: Network, seed: int) -> Weights:
    """The weights that torch's default initialisation gives under ``seed``, whatever else drew numbers before."""
    return read_weights(network, build(network, seed=seed))


def load_weights(module: torch.nn.Module, weights: Weights) -> None:
    """Copy weights into the module.

    Raises:
        SchemaMismatch: the module's tensors are not those of the weights' schema.
    """
    import torch  # see above

    state = _state(module)
    if [(name, tuple(tensor.shape)) for name, tensor in state.items()] != [
        (tensor.name, tensor.shape) for tensor in weights.schema.tensors
    ]:
        raise SchemaMismatch("The weights do not have the tensors of the network that should take them.")
    # a copy of the vector: torch warns about arrays that are read-only, as received ones are
    parts = torch.split(
        torch.from_numpy(weights.vector.copy()), [spec.size for spec in weights.schema.tensors]
    )
    with torch.no_grad():
        for tensor, part in zip(state.values(), parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def read_weights(network: Network, module: torch.nn.Module) -> Weights:
    """The module's tensors as one float32 vector of shape (d,) in the order of the network's schema."""
    parts = [tensor.detach().cpu().contiguous().numpy().ravel() for tensor in _state(module).values()]
    return Weights(network.schema(), np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32))


def training_loss(module: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """What training minimises: the module's own loss, or the mean cross-entropy of its logits."""
    import torch  # see above

    if isinstance(module, OwnLoss):
        return module.training_loss(inputs, targets)
    return torch.nn.functional.cross_entropy(module(inputs), targets)


def normalises_batches(module: torch.nn.Module) -> bool:
    """Whether it has a layer that needs two samples at least in a batch to be trained (batch normalisation)."""
    from torch.nn.modules.batchnorm import _BatchNorm  # the family has no public name

    return any(isinstance(part, _BatchNorm) for part in module.modules())


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The module's own floating-point tensors by name; integer buffers (counters) are not exchanged."""
    state = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    for name, tensor in state.items():
        if tensor.element_size() != 4:
            raise SchemaMismatch(
                f"Tensor '{name}' of the network is {tensor.dtype}, but only float32 is exchanged."
            )
    return state
