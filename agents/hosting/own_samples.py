# SPDX-License-Identifier: Apache-2.0
"""Somebody's own samples, made to fit a task: its classes by number, one batch through its network."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcfl.agents.common.entries import codec_of, network_of
from bcfl.agents.common.retrieval import schema_of
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.specification import Specification
from bcfl.models.data.dataset import Samples
from bcfl.models.errors import NetworkUnfit
from bcfl.models.kernel.choice import check_kernel
from bcfl.models.networks.network import Network

__all__ = ("by_number", "check_samples", "check_task", "joined")


def by_number(samples: Samples, labels: tuple[str, ...]) -> Samples:
    """The samples with classes as they are written, where all of them are numbers from 0: who lacks a class does not shift the others.

    Args:
        samples: with classes from 0 in the order of their labels.
        labels: of the classes, as the data write them; empty where they have none.
    """
    if not labels or not all(label.isdecimal() for label in labels):
        return samples
    numbers = np.array([int(label) for label in labels], dtype=np.int64)
    return dataclasses.replace(samples, targets=numbers[samples.targets])


def joined(train: Samples, test: Samples) -> Samples:
    """Both parts as one."""
    owners = (
        None if train.owners is None or test.owners is None else np.concatenate([train.owners, test.owners])
    )
    return dataclasses.replace(
        train,
        inputs=np.concatenate([train.inputs, test.inputs]),
        targets=np.concatenate([train.targets, test.targets]),
        owners=owners,
    )


def check_task(samples: Samples, terms: Specification, config: TaskConfig) -> None:
    """Whether this machine can do a task's work on these samples.

    Args:
        samples: all that somebody has.
        terms: of the task.
        config: of the task.

    Raises:
        NetworkUnfit: they do not fit the network, or its updates have other tensors.
        KernelUnavailable: the task is computed by a kernel that this machine does not have.
        RegistryError: the network, or how updates are packed, is not known here.
    """
    codec_of(terms)
    name, network = terms.network.name, network_of(terms)
    check_samples(samples, name, network, most_bytes=config.max_update_size)
    if network.schema() != schema_of(terms):
        raise NetworkUnfit(f"Its updates have other tensors than the network '{name}' that it names.")
    check_kernel(terms.kernel, network, terms.training, shape=samples.inputs.shape[1:])


def check_samples(samples: Samples, name: str, network: Network, *, most_bytes: int) -> None:
    """Whether the network can be trained on them.

    Args:
        samples: all that somebody has.
        name: of the network, for sentences.
        network: of the task.
        most_bytes: that the task lets an update have: a network that is larger is not built.

    Raises:
        NetworkUnfit: they have another shape, more classes, or too few samples.
    """
    # Imported here: it loads torch, which an agent needs only once it has found a task, and is ready without.
    from bcfl.models.training.trial import model_bytes, needs_pairs, try_batch

    size = model_bytes(name, network)
    if size is not None and size > most_bytes:
        raise NetworkUnfit(
            f"A model of the network '{name}' has {size:,} bytes, and the task takes updates of {most_bytes:,} at most."
        )
    if not len(samples):
        raise NetworkUnfit("There are no samples: give some.")
    if len(samples) == 1 and needs_pairs(network):
        raise NetworkUnfit(
            f"There is one sample, and the network '{name}' normalises over a batch, which needs two: give more."
        )
    try_batch(name, network, samples, samples.classes)
