# SPDX-License-Identifier: Apache-2.0
"""Which kernel computes a task: what was asked for, where this machine has it, or what suits the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bcfl.models.errors import KernelUnavailable
from bcfl.models.kernel.library import library
from bcfl.models.kernel.plan import plan_of
from bcfl.models.networks.network import Network
from bcfl.models.training.bench import Kernel
from bcfl.models.training.hyperparameters import hyperparameters_of
from bcfl.models.training.optimizers import Sgd

__all__ = ("WantedKernel", "check_covered", "check_kernel", "chosen_kernel")

WantedKernel = Literal["auto", "torch", "lanes"]


def chosen_kernel(
    wanted: WantedKernel,
    network: Network,
    training: Mapping[str, Any],
    *,
    shape: Sequence[int],
    device: str = "cpu",
) -> Kernel:
    """``auto`` is ``lanes`` where this machine has it and it is the faster one; torch is, for recurrent networks (measured).

    Args:
        wanted: by the scenario.
        network: of the task.
        training: its hyper-parameters, as the specification has them.
        shape: of a sample.
        device: torch's.

    Raises:
        KernelUnavailable: ``lanes`` is asked for and cannot be.
    """
    if wanted == "torch":
        return "torch"
    try:
        if device != "cpu":
            raise _unfit(f"computes on the processor, not on compute.device: {device}")
        check_kernel("lanes", network, training, shape=shape)
    except KernelUnavailable as error:
        if wanted == "lanes":
            raise KernelUnavailable(f"{str(error).rstrip('.')}: set compute.kernel: torch.") from error
        return "torch"
    return "lanes" if wanted == "lanes" or not plan_of(network).recurrent else "torch"


def check_kernel(
    kernel: str, network: Network, training: Mapping[str, Any], *, shape: Sequence[int] | None = None
) -> None:
    """Whether this machine can do a task's work by the kernel that the task names.

    Raises:
        KernelUnavailable: it has not that kernel, or the kernel has not the network, its optimiser or samples of that shape.
    """
    if kernel == "torch":
        return
    if kernel != "lanes":
        raise KernelUnavailable(
            f"The task is computed by a kernel '{kernel}', which this bcfl does not have."
        )
    check_covered(network, training, shape=shape)
    library()


def check_covered(
    network: Network, training: Mapping[str, Any], *, shape: Sequence[int] | None = None
) -> None:
    """Whether ``lanes`` can do a task's work, on any machine that has it.

    Raises:
        KernelUnavailable: it has not the network, its optimiser or samples of that shape.
    """
    optimizer = hyperparameters_of(training, 1).optimizer
    if not isinstance(optimizer, Sgd):
        raise _unfit(f"trains by sgd, not by {type(optimizer).__name__.lower()}")
    axes = plan_of(network).inputs
    if shape is not None and axes and axes != len(shape):
        raise _unfit(f"cannot take samples of the shape {tuple(shape)} there")


def _unfit(why: str) -> KernelUnavailable:
    return KernelUnavailable(f"The kernel 'lanes' {why}.")
