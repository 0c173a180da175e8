# SPDX-License-Identifier: Apache-2.0
"""One batch through a network, there and back, before anybody pays for more: do data and network fit?"""

from __future__ import annotations

import math

import numpy as np
import torch

from bcfl.models.data.dataset import Samples, shape_words
from bcfl.models.declared import vocabulary
from bcfl.models.errors import DeviceUnavailable, NetworkUnfit
from bcfl.models.networks.network import Network, build, normalises_batches, training_loss
from bcfl.models.training.tensors import DeviceSamples

__all__ = ("BYTES_A_NUMBER", "check_device", "model_bytes", "needs_pairs", "try_batch")

BYTES_A_NUMBER = 4
_ROWS = 32


def check_device(device: str) -> None:
    """Raise ``DeviceUnavailable`` where torch does not have it."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable("torch finds no CUDA device: write cpu or auto at compute.device.")


def model_bytes(name: str, network: Network) -> int | None:
    """Bytes of the network's tensors, found without making them; None where the network cannot be built that way.

    Raises:
        NetworkUnfit: it cannot be built from its parameters.
    """
    try:
        with torch.device("meta"):
            module = network.build()
    except (NotImplementedError, torch.cuda.CudaError):
        return None
    except Exception as error:
        if "meta" in str(error):
            return None
        raise NetworkUnfit(f"The network '{name}' cannot be built: {_first_line(error)}") from error
    tensors = (tensor for tensor in module.state_dict().values() if tensor.is_floating_point())
    return sum(int(tensor.numel()) for tensor in tensors) * BYTES_A_NUMBER


def needs_pairs(network: Network) -> bool:
    """Whether one sample alone cannot be trained on."""
    return normalises_batches(build(network))


def try_batch(name: str, network: Network, samples: Samples, classes: int) -> int:
    """One forward and one backward pass of a batch of these samples; how many classes the network tells apart.

    Args:
        name: of the network, for sentences.
        network: its entry.
        samples: of either part.
        classes: that the data have in all.

    Raises:
        NetworkUnfit: it takes other inputs, gives other outputs, or the loss is not finite.
    """
    _check_kind(name, network, samples)
    module = build(network).train()
    inputs, targets = _batch(samples)
    try:
        outputs = module(inputs)
    except Exception as error:
        raise NetworkUnfit(_misfit(name, network, module, inputs, error)) from error
    if outputs.ndim != 2 or len(outputs) != len(inputs):
        raise NetworkUnfit(
            f"The network '{name}' gives outputs of the shape {tuple(outputs.shape)} for {len(inputs)} samples: it must give one "
            f"row for each, with one number a class."
        )
    if outputs.shape[1] < classes:
        raise NetworkUnfit(
            f"The data have {classes} classes and the network '{name}' tells {outputs.shape[1]} apart: set "
            f"task.network.classes: {classes}."
        )
    loss = training_loss(module, inputs, targets)
    loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    if not torch.isfinite(loss):
        raise NetworkUnfit(
            f"The loss of a first batch is not finite: the data's numbers, up to {inputs.abs().max():.3g}, are too large for the "
            f"network '{name}'; scale or standardise them."
        )
    return int(outputs.shape[1])


def _check_kind(name: str, network: Network, samples: Samples) -> None:
    """Sequences of tokens are for networks that take them, and within their vocabulary."""
    known = vocabulary(network)
    if samples.tokens and known is None:
        raise NetworkUnfit(
            f"The samples are sequences of tokens, and the network '{name}' takes numbers: choose one for text, such as char_lstm."
        )
    if not samples.tokens and known is not None:
        raise NetworkUnfit(
            f"The samples are numbers, and the network '{name}' takes sequences of tokens: choose another network, or say "
            f"data.dataset.tokens: true of an .npz that holds such."
        )
    if known is not None and samples.vocabulary > known:
        raise NetworkUnfit(
            f"The data have tokens up to {samples.vocabulary - 1}, and the network '{name}' knows those below {known}: set "
            f"task.network.vocabulary: {samples.vocabulary}."
        )


def _batch(samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    few = samples.select(np.arange(min(_ROWS, len(samples))))
    if len(few) == 1:  # batch normalisation needs two
        few = few.select(np.zeros(2, dtype=np.int64))
    device = DeviceSamples(few, torch.device("cpu"))
    return device.batch(device.indices(None))


def _misfit(
    name: str, network: Network, module: torch.nn.Module, inputs: torch.Tensor, error: Exception
) -> str:
    shape = tuple(inputs.shape[1:])
    numbers, told = math.prod(shape), shape_words(shape)
    taken = getattr(network, "inputs", numbers)
    if taken != numbers:
        what = (
            f"rows have {numbers} numbers" if len(shape) == 1 else f"samples have {numbers} numbers ({told})"
        )
        return f"The {what}, the network '{name}' takes {taken}: set task.network.inputs: {numbers}."
    if _takes(module, inputs.unsqueeze(1)):
        return (
            f"The network '{name}' takes images with a channel, and the samples are {told}: give arrays of the shape "
            f"(n, 1, {', '.join(map(str, shape))})."
        )
    return f"The network '{name}' cannot take samples of the shape {told}: {_first_line(error)}"


def _takes(module: torch.nn.Module, inputs: torch.Tensor) -> bool:
    try:
        module(inputs)
    except Exception:  # noqa: BLE001 - whatever it raises, it does not take them
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".") + "."
