# SPDX-License-Identifier: Apache-2.0
"""How large an update is by each codec, and what it costs in accuracy after ten rounds of federated averaging on MNIST.

The same clients, orders and seeds for every codec; what a codec leaves out is added to a client's next update where the codec
says so. Without a chain: it is about the numbers that arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import mean

import anyio
import numpy as np
import numpy.typing as npt

from bcfl.models.data.mnist import Mnist
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from bcfl.models.wire.codecs import Codec, Int4, Int8, TopK
from bcfl.models.wire.packed import Packing
from bcfl.models.wire.tensors import encode
from benchmarks.record import Record

__all__ = ("measure",)

_NETWORK = MnistCnn()
_WORK = {60: 10, 600: 50}
"""Images a client, and a batch."""
_CLIENTS = 100
_ROUNDS = 10
_CODECS: Mapping[str, Codec | None] = {
    "none": None,
    "int8": Int8(),
    "int4": Int4(),
    "top_k, share 0.1": TopK(share=0.1),
    "top_k, share 0.1, 4 bits": TopK(share=0.1, bits=4),
    "top_k, share 0.25, 4 bits": TopK(share=0.25, bits=4),
}
_LARGEST = 10_000
_MOST_LOST = 0.002


@dataclass(kw_only=True)
class _Client:
    """One of them, with what its codec has left out so far."""

    share: npt.NDArray[np.int64]
    left: npt.NDArray[np.float32]


async def measure(*, quick: bool) -> Record:
    """Ten rounds by each codec, on three seeds and two sizes of clients."""
    data = Mnist().load()
    seeds, sizes = ((1,), (60,)) if quick else ((1, 2, 3), tuple(_WORK))
    rows, values = [], {}
    async with Engine.start(executor="threads", workers=2, kernel="lanes") as engine:
        engine.add_samples("train", data.train)
        engine.add_samples("test", data.test)
        for images in sizes:
            whole: list[float] = []
            for name, codec in _CODECS.items():
                found = [await _federated(engine, codec, images, seed) for seed in seeds]
                accuracies, lengths = [one for one, _ in found], [one for _, one in found]
                whole = whole or accuracies
                lost = mean(whole) - mean(accuracies)
                fits = mean(lengths) <= _LARGEST and lost <= _MOST_LOST
                rows.append(
                    [
                        str(images),
                        name,
                        f"{mean(lengths):,.0f}",
                        f"{mean(accuracies):.2%}",
                        f"{100 * lost:+.2f}",
                        "yes" if fits else "no",
                    ]
                )
                values[f"{images}, {name}"] = {"bytes": lengths, "accuracy": accuracies}
    return Record(
        name="codecs",
        title=f"bytes of an update and accuracy after {_ROUNDS} rounds of {_CLIENTS} clients, {len(seeds)} seeds",
        columns=("images a client", "codec", "bytes", "accuracy", "points lost", "≤ 10 KB and ≤ 0.2 points"),
        rows=rows,
        notes=("38,390 parameters; means over rounds, clients and seeds.",),
        values=values,
    )


async def _federated(engine: Engine, codec: Codec | None, images: int, seed: int) -> tuple[float, float]:
    """Accuracy at the end, and bytes of an update on average."""
    order = np.random.default_rng(seed).permutation(60_000)
    model = initial_weights(_NETWORK, seed)
    work = Hyperparameters(learning_rate=0.05, momentum=0.9, batch_size=_WORK[images], epochs=2)
    clients = [
        _Client(share=np.sort(share), left=np.zeros(len(model.vector), np.float32))
        for share in order[: _CLIENTS * images].reshape(_CLIENTS, images)
    ]
    lengths: list[int] = []
    arrived: dict[int, npt.NDArray[np.float32]] = {}

    async def one(place: int, client: _Client, start: Weights, number: int) -> None:
        job = TrainingJob(
            network=_NETWORK,
            hyperparameters=work,
            start=start,
            samples=SamplesRef("train", client.share),
            seed=(seed * _ROUNDS + number) * _CLIENTS + place,
        )
        trained = (await engine.train(job)).weights
        length, arrived[place] = _sent(codec, client, start, trained)
        lengths.append(length)

    for number in range(_ROUNDS):
        async with anyio.create_task_group() as group:
            for place, client in enumerate(clients):
                group.start_soon(one, place, client, model, number)
        ordered = [arrived[place] for place in range(_CLIENTS)]
        model = replace(model, vector=np.mean(ordered, axis=0, dtype=np.float64).astype(np.float32))
    return (await engine.evaluate(_NETWORK, model, "test")).accuracy, mean(lengths)


def _sent(
    codec: Codec | None, client: _Client, start: Weights, trained: Weights
) -> tuple[int, npt.NDArray[np.float32]]:
    """Bytes on the way, and the model that arrives."""
    metadata = {"round": "1", "samples": "60", "start": start.digest().hex()}
    if codec is None:
        return len(encode(trained, metadata)), trained.vector
    packing = Packing(codec=codec, start=start)
    if codec.feeds_back:
        trained = replace(trained, vector=trained.vector + client.left)
        client.left = packing.lost(trained).vector
    data = packing.encode(trained, metadata)
    return len(data), packing.decode(data)[0].vector
