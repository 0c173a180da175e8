# SPDX-License-Identifier: Apache-2.0
"""Local training: descent on mini-batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch

from bcfl.models.errors import JobCancelled
from bcfl.models.evaluation import evaluate
from bcfl.models.networks.dropout import attach_generator
from bcfl.models.networks.network import load_weights, normalises_batches, read_weights, training_loss
from bcfl.models.training.job import TrainingJob, TrainingResult
from bcfl.models.training.private import PrivateGradients, poisson_batches, private_module
from bcfl.models.training.tensors import DeviceSamples

__all__ = ("train",)


def train(
    job: TrainingJob, module: torch.nn.Module, samples: DeviceSamples, *, cancelled: Callable[[], bool]
) -> TrainingResult:
    """Train ``module`` from the job's start.

    The result depends on the job alone: the module brings only its structure, and order and dropout come
    from a generator made from the job's seed.

    Args:
        job: what to train, from where, on what.
        module: of the job's network, prepared by the worker; its weights are overwritten.
        samples: those that the job refers to.
        cancelled: asked before every batch.

    Raises:
        JobCancelled: ``cancelled`` said so.
    """
    began = time.perf_counter()
    given = job.hyperparameters
    load_weights(module, job.start)
    generator = torch.Generator(device=samples.device).manual_seed(job.seed)
    trained = module
    if given.privacy is not None:
        private_one = private_module(type(job.network).__name__, job.network, module.state_dict())
        trained = private_one.to(samples.device)
    attach_generator(trained, generator)
    optimizer = given.optimizer.build(
        trained.parameters(),
        learning_rate=given.learning_rate,
        momentum=given.momentum,
        weight_decay=given.weight_decay,
    )
    indices = samples.indices(job.samples.indices)
    gradients: _Gradients = _Plain(optimizer)
    if given.privacy is not None:
        gradients = PrivateGradients(
            trained,
            optimizer,
            given.privacy,
            batch_size=min(given.batch_size, len(indices)),
            generator=generator,
        )
    anchors = [one.detach().clone() for one in trained.parameters()] if given.proximal else []
    trained.train()
    steps = 0
    mean = _RunningMean(samples.device)
    for first, batch in _batches_of(job, trained, indices, generator):
        if cancelled():
            raise JobCancelled
        if job.most_steps is not None and steps >= job.most_steps:
            break
        if first:
            mean.restart()
        gradients.forget()
        if len(batch):
            inputs, targets = samples.batch(batch)
            loss = training_loss(trained, inputs, targets)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            mean.add(loss.detach(), len(batch))
        gradients.make(len(batch))
        _pull_back(trained, anchors, given.proximal)
        if given.clip_norm:
            torch.nn.utils.clip_grad_norm_(trained.parameters(), given.clip_norm)
        optimizer.step()
        steps += 1
    if trained is not module:
        state = trained.state_dict()
        module.load_state_dict({name: state[name] for name in module.state_dict()})
    afterwards = evaluate(module, samples, indices, cancelled=cancelled)
    return TrainingResult(
        weights=read_weights(job.network, module),
        loss=mean.value,
        train_loss=afterwards.loss,
        steps=steps,
        seconds=time.perf_counter() - began,
    )


class _Gradients(Protocol):
    """What a batch's gradients are made of: nothing is left of the last one's, and what the backward pass gave is finished."""

    def forget(self) -> None: ...

    def make(self, size: int) -> None: ...


class _Plain:
    """As the backward pass gave them."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def forget(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def make(self, size: int) -> None:
        pass


def _pull_back(module: torch.nn.Module, anchors: Sequence[torch.Tensor], strength: float) -> None:
    """Add the gradient of FedProx's term, without building a graph for it."""
    for parameter, anchor in zip(module.parameters(), anchors, strict=False):
        if parameter.grad is not None:
            parameter.grad.add_(parameter.detach() - anchor, alpha=strength)


class _RunningMean:
    """Of losses, a sample; it stays on the device until it is asked for."""

    def __init__(self, device: torch.device) -> None:
        self._total = torch.zeros((), dtype=torch.float64, device=device)
        self._seen = 0

    def restart(self) -> None:
        self._total.zero_()
        self._seen = 0

    def add(self, loss: torch.Tensor, count: int) -> None:
        self._total += loss.double() * count
        self._seen += count

    @property
    def value(self) -> float:
        return self._total.item() / max(1, self._seen)


def _batches_of(
    job: TrainingJob, module: torch.nn.Module, indices: torch.Tensor, generator: torch.Generator
) -> Iterator[tuple[bool, torch.Tensor]]:
    """The mini-batches of all epochs, and whether each begins one; with privacy all are one."""
    given = job.hyperparameters
    if given.privacy is not None:
        drawn = poisson_batches(
            indices, batch_size=given.batch_size, epochs=given.epochs, generator=generator
        )
        yield from ((not number, batch) for number, batch in enumerate(drawn))
        return
    pairs = normalises_batches(module)
    for _ in range(given.epochs):
        order = indices
        if given.shuffle:
            order = indices[torch.randperm(len(indices), generator=generator, device=indices.device)]
        yield from (
            (not number, batch) for number, batch in enumerate(_batches(order, given.batch_size, pairs=pairs))
        )


def _batches(order: torch.Tensor, size: int, *, pairs: bool) -> Sequence[torch.Tensor]:
    """Mini-batches in order; with ``pairs`` a last one of a single sample joins the one before."""
    batches = torch.split(order, size)
    if pairs and len(batches) > 1 and len(batches[-1]) == 1:
        return [*batches[:-2], torch.cat(batches[-2:])]
    return batches
