# SPDX-License-Identifier: Apache-2.0
"""Training is torch's SGD with momentum, and it learns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bcfl.models.errors import InvalidHyperparameters, JobCancelled
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import build, load_weights, read_weights, schema_of
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.worker import Workbench


@pytest.fixture
def workbench(data):
    return Workbench("cpu", {"train": data.train, "test": data.test})


def _never():
    return False


@dataclass(frozen=True, kw_only=True)
class Normalised:
    """A network with batch normalisation."""

    def schema(self):
        return schema_of(self)

    def build(self):
        return torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(784, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 10)
        )


@pytest.mark.parametrize(
    ("network", "samples", "steps"),
    [
        (Normalised(), 41, 2),
        (Normalised(), 42, 3),
        (Normalised(), 40, 2),
        (Mlp(), 41, 3),
        (Normalised(), 21, 1),
    ],
)
def test_one_sample_that_is_left_joins_the_batch_before_where_a_batch_is_normalised(
    workbench, make_job, network, samples, steps
):
    job = make_job(network=network, indices=range(samples), batch_size=20, epochs=1)
    found = workbench.perform(job, cancelled=_never)
    assert found.steps == steps
    assert np.isfinite(found.weights.vector).all()


@pytest.mark.parametrize("network", [Mlp(), MnistCnn(dropout=0)], ids=str)
def test_training_is_the_textbook_loop(workbench, data, make_job, network):
    job = make_job(network=network, shuffle=False, weight_decay=0.01, epochs=2, batch_size=50)
    found = workbench.perform(job, cancelled=_never)

    module = build(network)
    load_weights(module, job.start)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    inputs = torch.from_numpy(data.train.inputs).float() * data.train.scale
    targets = torch.from_numpy(data.train.targets)
    losses = []
    for _ in range(2):
        losses = []
        for begin in range(0, 400, 50):
            loss = torch.nn.functional.cross_entropy(
                module(inputs[begin : begin + 50]), targets[begin : begin + 50]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert found.weights.vector == pytest.approx(read_weights(network, module).vector, abs=1e-5)
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-4)
    assert found.steps == 16


def test_training_lowers_the_loss_and_the_last_small_batch_counts(workbench, make_job):
    job = make_job(indices=range(250), batch_size=60, epochs=6)
    trained = workbench.perform(job, cancelled=_never)
    assert trained.steps == 30
    assert trained.train_loss < 0.3 < trained.loss + 1.0
    assert trained.seconds > 0


def test_a_worker_keeps_nothing_of_the_job_before(workbench, make_job):
    first = workbench.perform(make_job(1), cancelled=_never)
    workbench.perform(make_job(2, learning_rate=5.0), cancelled=_never)
    assert np.array_equal(
        first.weights.vector, workbench.perform(make_job(1), cancelled=_never).weights.vector
    )


def test_the_start_is_not_touched(workbench, make_job):
    job = make_job()
    before = job.start.vector.copy()
    workbench.perform(job, cancelled=_never)
    assert np.array_equal(before, job.start.vector)


def test_cancelling_is_noticed_before_the_next_batch(workbench, make_job):
    asked = iter([False, False, True])
    with pytest.raises(JobCancelled):
        workbench.perform(make_job(epochs=1000), cancelled=lambda: next(asked))


@pytest.mark.parametrize(
    "given",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": 0.1, "momentum": 1.0},
        {"learning_rate": 0.1, "weight_decay": -1.0},
        {"learning_rate": 0.1, "batch_size": 0},
        {"learning_rate": 0.1, "epochs": 0},
    ],
)
def test_hyperparameters_that_cannot_train_are_refused(given):
    with pytest.raises(InvalidHyperparameters):
        Hyperparameters(**given)
