# SPDX-License-Identifier: Apache-2.0
"""Differential privacy: no sample moves a model by more than the clip allows, noise is there, and its cost is told."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from bcfl.models.errors import InvalidHyperparameters, NetworkUnfit, PrivacyUnavailable
from bcfl.models.networks.char_lstm import CharLstm
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import build, initial_weights, schema_of
from bcfl.models.training import privacy as privacy_module
from bcfl.models.training.job import EvaluationJob
from bcfl.models.training.privacy import Privacy, steps_of
from bcfl.models.training.private import poisson_batches, private_module
from bcfl.models.training.worker import Workbench


@pytest.fixture
def workbench(data):
    return Workbench("cpu", {"train": data.train, "test": data.test})


@pytest.fixture
def trained(workbench, make_job):
    """``trained(noise, …)``: what a private job gives."""

    def train(noise, *, max_grad_norm=1.0, seed=1, network=None, **options):
        privacy = Privacy(noise_multiplier=noise, max_grad_norm=max_grad_norm)
        job = make_job(network=network or Mlp(), seed=seed, privacy=privacy, momentum=0.0, **options)
        return job, workbench.perform(job, cancelled=lambda: False)

    return train


def moved(job, result):
    return float(np.linalg.norm(result.weights.vector - job.start.vector))


def test_a_step_is_as_long_as_the_clipped_gradients_of_its_batch_at_most(trained):
    # next to no noise, one step: lr · (at most every sample's norm) / expected batch size
    for clip in (0.01, 0.1):
        job, result = trained(1e-6, max_grad_norm=clip, learning_rate=1.0, batch_size=10_000, epochs=1)
        assert result.steps == 1
        assert 0 < moved(job, result) <= clip * 1.01


def test_noise_is_what_was_asked_for(trained):
    # with a tiny clip only noise is left: its length is σ · clip · √d · lr / batch
    job, result = trained(50.0, max_grad_norm=1.0, learning_rate=1.0, batch_size=20, epochs=1)
    length = 50.0 * np.sqrt(job.start.vector.size) / 20 * np.sqrt(result.steps)
    assert moved(job, result) == pytest.approx(length, rel=0.02)


@pytest.mark.parametrize("network", [Mlp(), MnistCnn()], ids=str)
def test_it_follows_the_seed_alone_and_still_learns(trained, workbench, network):
    options = {"network": network, "learning_rate": 0.1, "batch_size": 20, "epochs": 8}
    job, one = trained(0.5, **options)
    _, again = trained(0.5, **options)
    _, other = trained(0.5, **options, seed=2)
    assert np.array_equal(one.weights.vector, again.weights.vector)
    assert not np.array_equal(one.weights.vector, other.weights.vector)
    plain = workbench.perform(make_start(job), cancelled=lambda: False)
    assert one.train_loss < plain.loss * 0.9


def make_start(job):
    return EvaluationJob(network=job.network, weights=job.start, samples=job.samples)


def test_a_recurrent_network_is_the_same_one_with_gradients_for_single_samples():
    network = CharLstm(hidden=8, embedding=4, dropout=0.0)
    plain = build(network, seed=3).eval()
    private = private_module("char_lstm", network, plain.state_dict()).eval()
    tokens = torch.randint(0, 127, (5, 12), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(plain(tokens), private(tokens), atol=1e-6)
    state = private.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in plain.state_dict().items())


class Normalised:
    def schema(self):
        return schema_of(self)

    def build(self):
        return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))


def test_a_network_that_mixes_samples_is_refused():
    with pytest.raises(NetworkUnfit, match="normalises over a batch"):
        private_module("mine", Normalised())


def test_poisson_batches_have_their_size_on_average_and_differ():
    generator = torch.Generator().manual_seed(1)
    batches = list(poisson_batches(torch.arange(1000), batch_size=50, epochs=5, generator=generator))
    sizes = [len(batch) for batch in batches]
    assert len(batches) == steps_of(samples=1000, batch_size=50, epochs=5) == 100
    assert np.mean(sizes) == pytest.approx(50, abs=3)
    assert 5 < np.std(sizes) < 9
    assert all(len(batch.unique()) == len(batch) for batch in batches)


def test_an_empty_batch_is_a_step_of_noise(trained):
    job, result = trained(1.0, batch_size=1, epochs=1, learning_rate=0.01, indices=range(6))
    assert result.steps == 6
    assert np.isfinite(result.weights.vector).all()
    assert moved(job, result) > 0


def test_the_cost_is_the_one_that_was_published():
    # Abadi et al. 2016, § 3.2: q = 0.01, σ = 4, 10,000 steps, δ = 1e-5: ε 1.26 by the moments accountant of then, whose
    # conversion to (ε, δ) later ones tighten; the noise's own size, without any sampling, would be far more
    spent = Privacy(noise_multiplier=4.0).epsilon(samples=10_000, batch_size=100, steps=10_000)
    assert 1.0 < spent < 1.26


def test_more_noise_costs_less_and_more_steps_more():
    few, many = (
        [
            Privacy(noise_multiplier=noise).epsilon(samples=1000, batch_size=50, steps=steps)
            for noise in (0.9, 1.5)
        ]
        for steps in (20, 100)
    )
    assert few[0] > few[1]
    assert many[0] > few[0]
    assert Privacy(noise_multiplier=1.0).epsilon(samples=10, batch_size=50, steps=1) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0.0},
        {"noise_multiplier": 1.0, "max_grad_norm": 0.0},
        {"noise_multiplier": 1.0, "delta": 1.0},
    ],
)
def test_what_protects_nothing_is_refused(wrong):
    with pytest.raises(InvalidHyperparameters):
        Privacy(**wrong)


def test_without_opacus_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(
        privacy_module, "find_spec", lambda name: None if name == "opacus" else importlib.util.find_spec(name)
    )
    with pytest.raises(PrivacyUnavailable, match=r"pip install 'bcfl\[privacy\]'"):
        private_module("mlp", Mlp())


def test_the_start_is_the_jobs(trained):
    job, result = trained(1e-6, max_grad_norm=1e-9, learning_rate=1e-9, epochs=1)
    assert np.allclose(result.weights.vector, job.start.vector, atol=1e-7)
    assert not np.array_equal(job.start.vector, initial_weights(job.network, 99).vector)
