# SPDX-License-Identifier: Apache-2.0
"""1000 small training jobs through the engine, beside 1000 plain calls of torch, in interleaved parts.

A job is what a client of a large federation does in a round: 60 images, one epoch, batches of 20, a network of
38,390 parameters without dropout. The engine also gives each client's loss on its own data afterwards; the plain
loop does both, timed apart. It is given one torch thread, and for a tenth of the jobs as many as torch takes by
itself: those gain on an idle machine and lose nearly everything on a busy one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

import anyio
import numpy as np
import numpy.typing as npt
import torch

from bcfl.models.data.cache import cache_dir
from bcfl.models.data.dataset import Samples
from bcfl.models.data.mnist import Mnist
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.network import build, initial_weights, load_weights, read_weights
from bcfl.models.training.engine import Engine, ExecutorKind
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from benchmarks.record import Record

__all__ = ("measure",)

_NETWORK = MnistCnn(dropout=0.0)
_WORK = Hyperparameters(learning_rate=0.05, momentum=0.0, batch_size=20, epochs=1, shuffle=False)
_IMAGES = 60
_WORKERS = 2
_PARTS = 4
_KEY = "train"


@dataclass(kw_only=True)
class _Way:
    """One way to do the jobs: clients per second in each part, and the models that came out."""

    rates: list[float] = field(default_factory=list)
    models: list[npt.NDArray[np.float32]] = field(default_factory=list)


async def measure(*, quick: bool) -> Record:
    """Each part of the jobs goes through every way before the next part."""
    clients = 200 if quick else 1000
    samples, data = _samples(clients)
    shares = np.arange(clients * _IMAGES).reshape(clients, _IMAGES)
    start = initial_weights(_NETWORK, 1)
    plain, plain_with_loss, plain_default, threads, processes = (_Way() for _ in range(5))
    threads_of_torch = torch.get_num_threads()
    inputs = torch.from_numpy(samples.inputs.astype(np.float32) * np.float32(samples.scale))
    targets = torch.from_numpy(samples.targets)
    async with _engine("threads", samples) as in_threads, _engine("processes", samples) as in_processes:
        for engine in (in_threads, in_processes):  # start-up is not what is measured
            await _through(engine, start, shares[: 4 * _WORKERS], _Way())
        for part in np.array_split(shares, _PARTS):
            torch.set_num_threads(threads_of_torch)
            _plainly(inputs, targets, start, part[: len(part) // 10], plain_default, _Way())
            torch.set_num_threads(1)
            _plainly(inputs, targets, start, part, plain, plain_with_loss)
            await _through(in_threads, start, part, threads)
            await _through(in_processes, start, part, processes)
        together = _Way()
        await _through(in_processes, start, shares, together)
    return _record(
        clients,
        data,
        {
            "plain loop, 1 torch thread": plain,
            "the same, with each client's loss afterwards": plain_with_loss,
            f"plain loop, {threads_of_torch} torch threads (a tenth of the jobs)": plain_default,
            f"engine, {_WORKERS} threads": threads,
            f"engine, {_WORKERS} processes": processes,
        },
        together,
    )


@asynccontextmanager
async def _engine(executor: ExecutorKind, samples: Samples) -> AsyncIterator[Engine]:
    async with Engine.start(executor=executor, workers=_WORKERS) as engine:
        engine.add_samples(_KEY, samples)
        yield engine


def _samples(clients: int) -> tuple[Samples, str]:
    """MNIST where it is in the cache, else made-up images of the same form, and which of them."""
    if (cache_dir() / "mnist" / "mnist.npz").is_file():
        return Mnist().load().train, "MNIST"
    return Synthetic(samples=clients * _IMAGES, test_samples=10).load().train, "made-up images"


async def _through(engine: Engine, start: Weights, shares: npt.NDArray[np.int64], way: _Way) -> None:
    """All these clients at once through the engine."""
    models: list[npt.NDArray[np.float32]] = [np.empty(0, np.float32)] * len(shares)

    async def one(place: int, share: npt.NDArray[np.int64]) -> None:
        job = TrainingJob(
            network=_NETWORK, hyperparameters=_WORK, start=start, samples=SamplesRef(_KEY, share), seed=place
        )
        models[place] = (await engine.train(job)).weights.vector

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for place, share in enumerate(shares):
            group.start_soon(one, place, share)
    way.rates.append(len(shares) / (time.perf_counter() - began))
    way.models.extend(models)


def _plainly(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    start: Weights,
    shares: npt.NDArray[np.int64],
    way: _Way,
    way_with_loss: _Way,
) -> None:
    """One client after the other, as a short script does it: one module, ``torch.optim.SGD``, images as (n, c, h, w)."""
    module = build(_NETWORK)
    training = losses = 0.0
    for share in shares:
        began = time.perf_counter()
        load_weights(module, start)
        optimizer = torch.optim.SGD(module.parameters(), lr=_WORK.learning_rate)
        module.train()
        for batch in torch.split(torch.from_numpy(share), _WORK.batch_size):
            loss = torch.nn.functional.cross_entropy(module(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            optimizer.step()
        way.models.append(read_weights(_NETWORK, module).vector)
        trained = time.perf_counter()
        module.eval()
        with torch.inference_mode():
            images = torch.from_numpy(share)
            torch.nn.functional.cross_entropy(module(inputs[images]), targets[images]).item()
        training += trained - began
        losses += time.perf_counter() - trained
    way.rates.append(len(shares) / training)
    way_with_loss.rates.append(len(shares) / (training + losses))


def _record(clients: int, data: str, ways: dict[str, _Way], together: _Way) -> Record:
    plain, plain_with_loss, _, threads, processes = ways.values()
    rows = []
    for name, way in ways.items():
        rate = median(way.rates)
        ratio = median(w / p for p, w in zip(plain.rates, way.rates, strict=True))
        alike = median(w / p for p, w in zip(plain_with_loss.rates, way.rates, strict=True))
        rows.append((name, f"{rate:.0f}", f"{ratio:.2f}", f"{alike:.2f}"))
    apart = [
        float(np.abs(one - other).max()) for one, other in zip(plain.models, processes.models, strict=True)
    ]
    same = all(
        np.array_equal(one, other) for one, other in zip(threads.models, processes.models, strict=True)
    )
    at_once = together.rates[0]
    return Record(
        name="jobs",
        title=f"{clients:,} training jobs of {_IMAGES} images ({data}), {_PARTS} interleaved parts",
        columns=("way", "clients/s", "to the plain loop", "to the plain loop with losses"),
        rows=rows,
        notes=[
            f"all {clients:,} given to {_WORKERS} processes at once: {at_once:.0f} clients/s",
            f"threads and processes give {'the same bits' if same else 'DIFFERENT models'}",
            f"a model's largest difference to the plain loop's is {median(apart):.1e} in the median, {max(apart):.1e} at most",
        ],
        values={
            "clients": clients,
            "data": data,
            "clients_per_s": {name: way.rates for name, way in ways.items()},
            "all_at_once_clients_per_s": at_once,
            "largest_difference_to_plain": max(apart),
            "threads_equal_processes": same,
        },
    )
