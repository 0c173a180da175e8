# SPDX-License-Identifier: Apache-2.0
"""How long first-order scores of a thousand trainers take, and how well they tell who trained on swapped labels.

Workload W (60 MNIST images a client) with a tenth of label swappers and the plain mean as the model. Without a chain and
without a defence: it is about the scores.
"""

from __future__ import annotations

import time
from statistics import mean, median

import anyio
import numpy as np
import numpy.typing as npt

from bcfl.models.attacks.data import LabelFlip
from bcfl.models.data.mnist import Mnist
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.first_order import FirstOrder
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from benchmarks.record import Record

__all__ = ("measure",)

_NETWORK = MnistCnn()
_IMAGES = 60
_SWAPPERS = 10
"""One in so many."""
_WORK = Hyperparameters(learning_rate=0.05, momentum=0.9, batch_size=10, epochs=2)
_ROUNDS = 10
_SHOWN = (1, 2, 5, 10)


async def measure(*, quick: bool) -> Record:
    """Ten rounds each, by seed and by where the gradient is taken."""
    data = Mnist().load()
    trainers, seeds = (200, (11,)) if quick else (1000, (11, 12, 13))
    rows, values = [], {}
    async with Engine.start(executor="threads", workers=2, kernel="lanes") as engine:
        engine.add_samples("train", data.train)
        engine.add_samples("swapped", LabelFlip().poison(data.train, 10, np.random.default_rng(0)))
        engine.add_samples("validation", data.test)
        found = {seed: await _federated(engine, trainers, seed) for seed in seeds}
    for number in _SHOWN:
        for at in ("start", "both"):
            aucs = [found[seed][number, at][0] for seed in seeds]
            seconds = [found[seed][number, at][1] for seed in seeds]
            rows.append(
                (
                    str(number),
                    at,
                    f"{median(seconds):.2f} s (least {min(seconds):.2f}, most {max(seconds):.2f})",
                    f"{mean(aucs):.4f} (least {min(aucs):.4f})",
                )
            )
            values[f"{number}, {at}"] = {"auc": aucs, "seconds": seconds}
    return Record(
        name="scores",
        title=f"first-order scores of {trainers} trainers, 10,000 validation images, {len(seeds)} seeds",
        columns=("round", "gradient at", "all scores", "AUC of honest above label swappers"),
        rows=rows,
        notes=("by the kernel 'lanes'; the first figures of a process have its warming up in them.",),
        values=values,
    )


async def _federated(engine: Engine, trainers: int, seed: int) -> dict[tuple[int, str], tuple[float, float]]:
    """AUC and seconds, by round and by where the gradient is taken."""
    order = np.random.default_rng(seed).permutation(60_000)
    shares = np.sort(order[: trainers * _IMAGES].reshape(trainers, _IMAGES), axis=1)
    model, found = initial_weights(_NETWORK, seed), {}
    for number in range(1, _ROUNDS + 1):
        updates = await _trained(engine, model, shares, seed * 100 + number)
        if number in _SHOWN:
            for at in ("start", "both"):
                made = ScoringRound(
                    network=_NETWORK,
                    start=model,
                    updates=updates,
                    weights=(1 / trainers,) * trainers,
                    samples_key="validation",
                )
                began = time.perf_counter()
                scores = np.array(await FirstOrder(at=at).scores(made, engine))
                seconds = time.perf_counter() - began
                found[number, at] = _auc(scores, np.arange(trainers) % _SWAPPERS == 0), seconds
        vector = np.mean([update.vector for update in updates], axis=0, dtype=np.float64)
        model = Weights(model.schema, vector.astype(np.float32))
    return found


async def _trained(
    engine: Engine, start: Weights, shares: npt.NDArray[np.int64], seed: int
) -> tuple[Weights, ...]:
    made: dict[int, Weights] = {}

    async def one(place: int) -> None:
        key = "train" if place % _SWAPPERS else "swapped"
        job = TrainingJob(
            network=_NETWORK,
            hyperparameters=_WORK,
            start=start,
            samples=SamplesRef(key, shares[place]),
            seed=seed * len(shares) + place,
        )
        made[place] = (await engine.train(job)).weights

    async with anyio.create_task_group() as group:
        for place in range(len(shares)):
            group.start_soon(one, place)
    return tuple(made[place] for place in range(len(shares)))


def _auc(scores: npt.NDArray[np.float64], guilty: npt.NDArray[np.bool_]) -> float:
    """Of all pairs of an honest one and a swapper, in how many the honest one scores higher; ties count half."""
    pairs = scores[~guilty][:, None] - scores[guilty][None, :]
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)
