# SPDX-License-Identifier: Apache-2.0
"""Local training: descent on mini-batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from bcfl.models.errors import JobCancelled
from bcfl.models.evaluation import evaluate
from bcfl.models.networks.dropout import attach_generator
from bcfl.models.networks.network import load_weights, normalises_batches, read_weights, training_loss
from bcfl.models.training.job import TrainingJob, TrainingResult
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
    attach_generator(module, generator)
    optimizer = given.optimizer.build(
        module.parameters(),
        learning_rate=given.learning_rate,
        momentum=given.momentum,
        weight_decay=given.weight_decay,
    )
    anchors = [one.detach().clone() for one in module.parameters()] if given.proximal else []
    indices = samples.indices(job.samples.indices)
    module.train()
    pairs = normalises_batches(module)
    steps = seen = 0
    total = torch.zeros((), dtype=torch.float64, device=samples.device)
    for _ in range(given.epochs):
        total.zero_()
        seen = 0
        order = indices
        if given.shuffle:
            order = indices[torch.randperm(len(indices), generator=generator, device=samples.device)]
        for batch in _batches(order, given.batch_size, pairs=pairs):
            if cancelled():
                raise JobCancelled
            if job.most_steps is not None and steps >= job.most_steps:
                break
            inputs, targets = samples.batch(batch)
            loss = training_loss(module, inputs, targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            for parameter, anchor in zip(module.parameters(), anchors, strict=False):
                if (
                    parameter.grad is not None
                ):  # the gradient of FedProx's term, without building a graph for it
                    parameter.grad.add_(parameter.detach() - anchor, alpha=given.proximal)
            if given.clip_norm:
                torch.nn.utils.clip_grad_norm_(module.parameters(), given.clip_norm)
            optimizer.step()
            total += loss.detach().double() * len(batch)
            seen += len(batch)
            steps += 1
    afterwards = evaluate(module, samples, indices, cancelled=cancelled)
    return TrainingResult(
        weights=read_weights(job.network, module),
        loss=total.item() / max(1, seen),
        train_loss=afterwards.loss,
        steps=steps,
        seconds=time.perf_counter() - began,
    )


def _batches(order: torch.Tensor, size: int, *, pairs: bool) -> Sequence[torch.Tensor]:
    """Mini-batches in order; with ``pairs`` a last one of a single sample joins the one before."""
    batches = torch.split(order, size)
    if pairs and len(batches) > 1 and len(batches[-1]) == 1:
        return [*batches[:-2], torch.cat(batches[-2:])]
    return batches
