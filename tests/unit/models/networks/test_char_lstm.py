# SPDX-License-Identifier: Apache-2.0
"""The network for text: the published one's shape, and training that learns from the last character or from all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.char_lstm import CharLstm
from bcfl.models.networks.network import build, initial_weights, training_loss
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.registry import InvalidParameters, create

_SMALL = CharLstm(vocabulary=6, embedding=4, hidden=16, layers=1, dropout=0.0, classes=6)
_TEXT = Synthetic(form="texts", classes=6, features=7, samples=600, test_samples=200, noise=0.1)


def test_the_published_network():
    network = create("network", "char_lstm")
    assert network.schema().size == 832_375
    shapes = {tensor.name: tensor.shape for tensor in network.schema().tensors}
    assert shapes["embedding.weight"] == (127, 8)
    assert shapes["lstm.weight_hh_l1"] == (1024, 256)
    assert shapes["fc.weight"] == (127, 256)
    outputs = build(network)(torch.zeros((3, 80), dtype=torch.int64))
    assert outputs.shape == (3, 127)


def test_sizes_are_checked():
    with pytest.raises(InvalidParameters, match="at least 1"):
        create("network", "char_lstm", {"hidden": 0})
    with pytest.raises(InvalidParameters, match="classes must be the vocabulary"):
        create("network", "char_lstm", {"learn": "all", "classes": 80})


def test_all_places_of_a_window_are_learnt_from():
    every, last = (build(dataclasses.replace(_SMALL, learn=learn), seed=3) for learn in ("all", "last"))
    data = _TEXT.load().train
    tokens, targets = torch.from_numpy(data.inputs[:5]), torch.from_numpy(data.targets[:5])
    text = torch.cat([tokens, targets[:, None]], dim=1)
    by_hand = [
        torch.nn.functional.cross_entropy(last(text[:, :place]), text[:, place], reduction="mean")
        for place in range(1, text.shape[1])
    ]
    assert torch.isclose(training_loss(every, tokens, targets), torch.stack(by_hand).mean())
    assert torch.isclose(training_loss(last, tokens, targets), by_hand[-1])


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.asyncio
async def test_the_engine_trains_and_measures_on_text(executor):
    data, network = _TEXT.load(), dataclasses.replace(_SMALL, learn="all")
    start = initial_weights(network, 1)
    job = TrainingJob(
        network=network,
        hyperparameters=Hyperparameters(learning_rate=0.5, momentum=0.9, batch_size=50, epochs=6),
        start=start,
        samples=SamplesRef("train"),
        seed=0,
    )
    async with Engine.start(executor=executor, workers=1) as engine:
        engine.add_samples("train", data.train)
        engine.add_samples("test", data.test)
        before = await engine.evaluate(network, start, "test")
        first, second = await engine.train(job), await engine.train(job)
        after = await engine.evaluate(network, first.weights, "test")
        by_class = await engine.class_losses(network, [first.weights], "test")
    assert first.weights.vector.tobytes() == second.weights.vector.tobytes()
    assert before.loss > 1.7
    assert after.loss < 0.8
    assert after.accuracy > 0.85
    assert by_class.losses.shape == (1, 6)
    assert np.isclose(by_class.means[0], after.loss)
