# SPDX-License-Identifier: Apache-2.0
"""Optimisers are torch's, FedProx holds a model back, gradients are clipped, and schedules follow the round."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch

from bcfl.models.errors import InvalidHyperparameters
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import build, load_weights, read_weights
from bcfl.models.training.hyperparameters import Hyperparameters, hyperparameters_of
from bcfl.models.training.optimizers import Adam, Sgd
from bcfl.models.training.schedules import Cosine, StepDecay
from bcfl.models.training.worker import Workbench
from bcfl.registry import InvalidParameters, UnknownEntry, create

_NETWORK = Mlp(hidden=8)


def _trained(data, job):
    return Workbench("cpu", {"train": data.train}).perform(job, cancelled=lambda: False).weights.vector


def _by_hand(data, job, optimizer, *, proximal=0.0, clip=math.inf):
    """One pass in order, by torch alone, with the proximal term in the loss itself."""
    module = build(job.network).train()
    load_weights(module, job.start)
    steps = optimizer(module.parameters())
    anchors = [one.detach().clone() for one in module.parameters()]
    indices = torch.as_tensor(job.samples.indices)
    inputs = torch.from_numpy(data.train.inputs)[indices].float() * data.train.scale
    targets = torch.from_numpy(data.train.targets)[indices]
    for at in range(0, len(indices), job.hyperparameters.batch_size):
        batch = slice(at, at + job.hyperparameters.batch_size)
        loss = torch.nn.functional.cross_entropy(module(inputs[batch]), targets[batch])
        loss = loss + proximal / 2 * sum(
            ((one - anchor) ** 2).sum() for one, anchor in zip(module.parameters(), anchors, strict=True)
        )
        steps.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        steps.step()
    return read_weights(job.network, module).vector


@pytest.mark.parametrize(
    ("given", "optimizer", "more"),
    [
        (
            {"optimizer": Adam(beta1=0.8)},
            lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.8, 0.999), weight_decay=0),
            {},
        ),
        (
            {"optimizer": Adam(), "weight_decay": 0.1},
            lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1),
            {},
        ),
        (
            {"optimizer": Sgd(nesterov=True)},
            lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
            {},
        ),
        ({"proximal": 3.0}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9), {"proximal": 3.0}),
        ({"clip_norm": 0.05}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9), {"clip": 0.05}),
    ],
)
def test_training_is_torchs(data, make_job, given, optimizer, more):
    job = make_job(
        network=_NETWORK,
        indices=range(96),
        batch_size=16,
        epochs=1,
        shuffle=False,
        learning_rate=0.02,
        **given,
    )
    found, expected = _trained(data, job), _by_hand(data, job, optimizer, **more)
    assert np.allclose(found, expected, atol=2e-6)
    plain = make_job(
        network=_NETWORK, indices=range(96), batch_size=16, epochs=1, shuffle=False, learning_rate=0.02
    )
    assert not np.allclose(found, _trained(data, plain), atol=1e-4)


def test_fedprox_stays_nearer_to_where_it_began(data, make_job):
    def moved(proximal):
        job = make_job(network=_NETWORK, indices=range(96), batch_size=16, epochs=5, proximal=proximal)
        return np.linalg.norm(_trained(data, job) - job.start.vector)

    lengths = [moved(proximal) for proximal in (0.0, 0.3, 3.0)]
    assert lengths[0] > 1.1 * lengths[1] > 1.3 * lengths[2]


def test_jobs_reach_processes(make_job):
    job = make_job(optimizer=Adam(beta1=0.5))
    assert pickle.loads(pickle.dumps(job)).hyperparameters == job.hyperparameters  # noqa: S301 - our own


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ({"name": "step_decay", "every": 2, "by": 0.1}, [1, 1, 0.1, 0.1, 0.01]),
        ({"name": "cosine", "rounds": 3, "least": 0.2}, [1, 0.6, 0.2, 0.2, 0.2]),
    ],
)
def test_schedules_follow_the_round(schedule, factors):
    training = {"learning_rate": 0.5, "momentum": 0.0, "schedule": schedule}
    found = [hyperparameters_of(training, number).learning_rate for number in range(1, 6)]
    assert np.allclose(found, 0.5 * np.array(factors))


def test_a_specification_names_its_entries():
    found = hyperparameters_of(
        {
            "learning_rate": 0.5,
            "optimizer": {"name": "adam", "beta2": 0.99},
            "proximal": 0.1,
            "clip_norm": 2.0,
        },
        1,
    )
    assert found == Hyperparameters(
        learning_rate=0.5, optimizer=Adam(beta2=0.99), proximal=0.1, clip_norm=2.0
    )
    assert hyperparameters_of({"learning_rate": 0.5}, 7) == Hyperparameters(learning_rate=0.5)


@pytest.mark.parametrize(
    ("training", "error"),
    [
        ({"learning_rate": 0.1, "optimizer": "adagard"}, UnknownEntry),
        ({"learning_rate": 0.1, "optimizer": {"beta1": 0.1}}, UnknownEntry),
        ({"learning_rate": 0.1, "optimizer": {"name": "adam", "beta1": 2}}, InvalidParameters),
        ({"learning_rate": 0.1, "schedule": {"name": "cosine"}}, InvalidParameters),
        ({"learning_rate": 0.1, "warmth": 3}, InvalidHyperparameters),
        ({"learning_rate": 0.1, "proximal": -1}, InvalidHyperparameters),
        ({"learning_rate": 0.1, "clip_norm": float("inf")}, InvalidHyperparameters),
    ],
)
def test_a_training_that_cannot_be_is_refused(training, error):
    with pytest.raises(error):
        hyperparameters_of(training, 1)


def test_parameters_of_entries_are_checked():
    for kind, name, parameters in (
        ("optimizer", "adam", {"epsilon": 0}),
        ("schedule", "step_decay", {"every": 0}),
        ("schedule", "cosine", {"rounds": 5, "least": 0}),
    ):
        with pytest.raises(InvalidParameters):
            create(kind, name, parameters)
    assert StepDecay().factor(11) == 0.5
    assert Cosine(rounds=1).factor(1) == 1
