# SPDX-License-Identifier: Apache-2.0
"""The kernel ``lanes`` beside the torch engine of the same machine, Flower where it is installed, and the machine's own ceiling.

Work W: clients of 60 MNIST images, three steps of 20, a network of 38,390 parameters without dropout, averaged once. All
ways take the same clients in turn, each part another way first; each part's ratios are of that part. The ceiling is what
numpy's matrix product reaches in float32 on as many threads, over the arithmetic of the work: 162 million operations a client.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import anyio
import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Samples
from bcfl.models.data.mnist import Mnist
from bcfl.models.kernel.building import BUILDS, built, processor_build
from bcfl.models.kernel.library import Library
from bcfl.models.kernel.plan import plan_of
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from benchmarks.record import Record

__all__ = ("measure",)

_NETWORK = MnistCnn(dropout=0.0)
_WORK = Hyperparameters(learning_rate=0.05, momentum=0.0, batch_size=20, epochs=1)
_IMAGES = 60
_WORKERS = 2
_PARTS = 4
_KEY = "w"
_TRAINING_FLOP = 162e6
_COALITION_FLOP = 0.994e9
_COALITION_IMAGES = 1000
_FLOWER = "BCFL_FLOWER_PYTHON"
_FLOWER_CLIENTS = 300


@dataclass(frozen=True, kw_only=True)
class _Way:
    name: str
    training: list[float]
    """Clients a second in each part."""
    coalitions: list[float]
    """Values a second."""


async def measure(*, quick: bool) -> Record:
    """Each part of the clients goes through every way before the next part."""
    clients = 120 if quick else 1000
    train = Mnist().load().train
    start = initial_weights(_NETWORK, 1)
    shares = np.arange(clients * _IMAGES).reshape(clients, _IMAGES)
    ways = [
        _Way(name=name, training=[], coalitions=[])
        for name in (
            "engine by lanes, 2 threads",
            "engine by torch, 2 processes",
            "engine by torch, 2 threads",
        )
    ]
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(_engine(way.name, train)) for way in ways]
        for engine in engines:  # start-up is not what is measured
            await _trained(engine, start, shares[: 4 * _WORKERS])
        pairs = list(zip(ways, engines, strict=True))
        for number, part in enumerate(np.array_split(shares, _PARTS)):
            first = number % len(pairs)
            for way, engine in pairs[first:] + pairs[:first]:
                rate, models = await _trained(engine, start, part)
                way.training.append(rate)
                way.coalitions.append(await _valued(engine, start, models[:8], 32 if quick else 128))
        # by itself: matrix products on all cores leave their threads spinning and the processor slower for a while
        ceiling = [await anyio.to_thread.run_sync(_sgemm) for _ in range(_PARTS)]
    return _record(clients, ways, median(ceiling), _flower(quick=quick), _bits(train, start))


@asynccontextmanager
async def _engine(name: str, samples: Samples) -> AsyncIterator[Engine]:
    async with Engine.start(
        executor="threads" if "threads" in name else "processes",
        workers=_WORKERS,
        kernel="lanes" if "lanes" in name else "torch",
    ) as engine:
        engine.add_samples(_KEY, samples)
        yield engine


async def _trained(
    engine: Engine, start: Weights, shares: npt.NDArray[np.int64]
) -> tuple[float, list[Weights]]:
    """Clients a second, all given at once, with the mean of their models, which is part of the work."""
    models: dict[int, Weights] = {}

    async def one(place: int, share: npt.NDArray[np.int64]) -> None:
        job = TrainingJob(
            network=_NETWORK, hyperparameters=_WORK, start=start, samples=SamplesRef(_KEY, share), seed=place
        )
        models[place] = (await engine.train(job)).weights

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for place, share in enumerate(shares):
            group.start_soon(one, place, share)
    total = np.zeros(len(start.vector))
    for model in models.values():
        total += model.vector
    return len(shares) / (time.perf_counter() - began), [models[place] for place in range(len(shares))]


async def _valued(engine: Engine, start: Weights, updates: list[Weights], count: int) -> float:
    """Values of coalitions of eight a second, each on 1,000 images."""
    began = time.perf_counter()
    await engine.coalition_losses(
        _NETWORK, start, updates, [1 / 8] * 8, range(1, 1 + count), _KEY, np.arange(_COALITION_IMAGES)
    )
    return count / (time.perf_counter() - began)


def _sgemm() -> float:
    """Operations a second of float32 matrix products, one on each of the threads."""
    size, rounds = 1024, 6
    left, right = (np.random.default_rng(n).normal(size=(size, size)).astype(np.float32) for n in (0, 1))
    into = [np.empty_like(left) for _ in range(_WORKERS)]

    def multiply(number: int) -> None:
        for _ in range(rounds):
            np.matmul(left, right, out=into[number])

    threads = [threading.Thread(target=multiply, args=(n,)) for n in range(_WORKERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 2 * size**3 * rounds * _WORKERS / (time.perf_counter() - began)


def _flower(*, quick: bool) -> float | str:
    """Flower's clients a second on the same work, or why it was not measured."""
    python = os.environ.get(_FLOWER)
    if python is None:
        return f"not measured: set {_FLOWER} to the Python of an environment with flwr[simulation] and torch"
    clients = 60 if quick else _FLOWER_CLIENTS
    done = subprocess.run(
        [python, str(Path(__file__).parent / "peers" / "flower.py"), str(clients)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return f"not measured: {(done.stderr.strip().splitlines() or ['it failed'])[-1][:120]}"
    return float(done.stdout.strip().splitlines()[-1])


def _bits(samples: Samples, start: Weights) -> dict[str, bool]:
    """Whether each build and width that this processor runs gives the same bits as the first."""
    plan = plan_of(_NETWORK)
    best = processor_build()
    found: dict[str, bytes] = {}
    for build in BUILDS[BUILDS.index(best) :]:
        for width in (8, 16) if build.name == "avx512" else (8,):
            vector, _, _ = Library(built(build), width).train(
                plan,
                start.vector,
                samples,
                np.arange(10 * _IMAGES),
                given=_WORK,
                seed=1,
                most_steps=None,
                cancelled=Cancellation(),
            )
            found[f"{build.name}, {width} lanes"] = vector.tobytes()
    first = next(iter(found.values()))
    return {name: vector == first for name, vector in found.items()}


def _record(
    clients: int, ways: list[_Way], ceiling: float, flower: float | str, bits: dict[str, bool]
) -> Record:
    lanes = ways[0]
    most, most_coalitions = ceiling / _TRAINING_FLOP, ceiling / _COALITION_FLOP
    rows = [
        (
            way.name,
            f"{median(way.training):.0f}",
            f"{_ratio(lanes.training, way.training):.1f}",
            f"{median(way.training) / most:.2f}",
            f"{median(way.coalitions):.0f}",
            f"{_ratio(lanes.coalitions, way.coalitions):.1f}",
            f"{median(way.coalitions) / most_coalitions:.2f}",
        )
        for way in ways
    ]
    if isinstance(flower, float):
        told = (f"{flower:.0f}", f"{median(lanes.training) / flower:.1f}", f"{flower / most:.2f}")
        rows.append((f"Flower, {_FLOWER_CLIENTS} clients", *told, "", "", ""))
    rows.append(("float32 matrix products", f"{most:.0f}", "", "1", f"{most_coalitions:.0f}", "", "1"))
    notes = [
        f"builds and widths: {', '.join(bits)}: {'the same bits' if all(bits.values()) else 'DIFFERENT bits'}"
    ]
    if isinstance(flower, str):
        notes.append(f"Flower {flower}")
    return Record(
        name="kernel",
        title=f"{clients:,} clients of {_IMAGES} images and values of coalitions on {_COALITION_IMAGES:,}, {_PARTS} interleaved parts",
        columns=(
            "way",
            "clients/s",
            "lanes to it",
            "of the ceiling",
            "values/s",
            "lanes to it",
            "of the ceiling",
        ),
        rows=rows,
        notes=notes,
        values={
            "clients": clients,
            "clients_per_s": {way.name: way.training for way in ways},
            "coalitions_per_s": {way.name: way.coalitions for way in ways},
            "ceiling_flop_per_s": ceiling,
            "flower": flower,
            "same_bits": bits,
            "python": sys.version.split()[0],
        },
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return median(one / other for one, other in zip(ours, theirs, strict=True))
