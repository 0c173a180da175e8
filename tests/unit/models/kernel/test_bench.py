# SPDX-License-Identifier: Apache-2.0
"""The kernel does what torch does, within rounding: torch is the oracle of every job, network and hyper-parameter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bcfl.models.errors import JobCancelled, SchemaMismatch, UnknownSamples, WorkFailed
from bcfl.models.kernel.bench import KernelBench
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.bench import Bench
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import (
    ClassGradientsJob,
    ClassLossesJob,
    CoalitionsJob,
    ConfusionJob,
    EvaluationJob,
    OutputsJob,
    SamplesRef,
    TrainingJob,
)
from bcfl.models.training.optimizers import Adam, Sgd
from bcfl.models.weights import Weights

ROUNDING = 1e-6
_CHOSEN = np.arange(3, 80, 2)


def _perform(kernel, case, job):
    bench = Bench("cpu", {"own": case.samples})
    return bench.perform(job, kernel=kernel, cancelled=Cancellation())


def _both(case, job):
    return _perform("torch", case, job), _perform("lanes", case, job)


def _training(case, *, seed=5, most_steps=None, **given):
    return TrainingJob(
        network=case.network,
        hyperparameters=Hyperparameters(**{"learning_rate": 0.05, "batch_size": 17, "epochs": 2, **given}),
        start=initial_weights(case.network, 1),
        samples=SamplesRef("own", _CHOSEN),
        seed=seed,
        most_steps=most_steps,
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"momentum": 0.0, "batch_size": 5},
        {"momentum": 0.0, "weight_decay": 0.01, "batch_size": 64},
        {"weight_decay": 0.01, "optimizer": Sgd(nesterov=True), "epochs": 3},
        {"proximal": 0.5, "clip_norm": 0.3},
        {"shuffle": False, "batch_size": 1, "epochs": 1, "learning_rate": 0.005},
        {"most_steps": 2},
    ],
    ids=str,
)
def test_training(case, given):
    torch, lanes = _both(case, _training(case, **given))
    assert np.abs(torch.weights.vector - lanes.weights.vector).max() <= ROUNDING
    assert np.abs(torch.weights.vector - _training(case).start.vector).max() > 1e-3
    assert lanes.steps == torch.steps
    assert lanes.loss == pytest.approx(torch.loss, rel=1e-5)
    assert lanes.train_loss == pytest.approx(torch.train_loss, rel=1e-5)


def test_order_and_dropout_follow_the_seed(case):
    one, again, other = (_perform("lanes", case, _training(case, seed=seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.weights.vector, again.weights.vector)
    assert not np.array_equal(one.weights.vector, other.weights.vector)


def test_evaluation_and_confusion(case):
    weights = initial_weights(case.network, 2)
    job = EvaluationJob(network=case.network, weights=weights, samples=SamplesRef("own", _CHOSEN))
    torch, lanes = _both(case, job)
    assert lanes.loss == pytest.approx(torch.loss, rel=1e-6)
    assert lanes.probability == pytest.approx(torch.probability, rel=1e-6)
    assert lanes.balanced_probability == pytest.approx(torch.balanced_probability, rel=1e-6)
    assert (lanes.accuracy, lanes.samples) == (torch.accuracy, torch.samples)
    table = ConfusionJob(
        network=case.network, weights=weights, samples=SamplesRef("own"), classes=case.samples.classes
    )
    torch, lanes = _both(case, table)
    assert lanes == torch


def test_coalitions(case):
    models = [initial_weights(case.network, seed) for seed in range(4)]
    job = CoalitionsJob(
        network=case.network,
        start=models[0],
        updates=tuple(models[1:]),
        proportions=(0.5, 0.3, 0.2),
        coalitions=range(8),
        samples=SamplesRef("own"),
    )
    for one in (job, replace(job, proportions=None)):
        torch, lanes = _both(case, one)
        assert [e.loss for e in lanes] == pytest.approx([e.loss for e in torch], rel=1e-6)
        assert len({e.loss for e in lanes}) == 8


@pytest.mark.parametrize("probe", [0, 4, 500])
def test_losses_by_class(case, probe):
    job = ClassLossesJob(
        network=case.network,
        models=tuple(initial_weights(case.network, seed) for seed in range(3)),
        samples=SamplesRef("own", _CHOSEN),
        classes=case.samples.classes,
        probe=probe if case.samples.classes in (10, 2) else 0,
        by_sample=True,
    )
    torch, lanes = _both(case, job)
    for name in ("losses", "accuracies", "outputs", "by_sample", "counts"):
        found, wanted = getattr(lanes, name), getattr(torch, name)
        assert found.shape == wanted.shape
        assert found.dtype == wanted.dtype
        assert np.allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_gradients_by_class(case):
    classes = case.samples.classes
    job = ClassGradientsJob(
        network=case.network,
        weights=initial_weights(case.network, 2),
        samples=SamplesRef("own"),
        groups=np.arange(classes) % 3,
        parts=2,
        terms=tuple(range(2 * min(3, classes))),
    )
    torch, lanes = _both(case, job)
    assert lanes.shape == torch.shape
    assert np.abs(lanes - torch).max() <= ROUNDING
    assert np.abs(torch).max() > 1e-3


def test_outputs(case):
    models = tuple(initial_weights(case.network, seed) for seed in range(2))
    job = OutputsJob(network=case.network, models=models, samples=case.samples.select(_CHOSEN))
    torch, lanes = _both(case, job)
    assert np.allclose(lanes, torch, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30])
def test_a_broken_model_has_no_small_loss_and_ends_nothing(case, broken):
    weights = initial_weights(case.network, 1)
    vector = weights.vector.copy()
    vector[::3] = broken
    job = EvaluationJob(
        network=case.network, weights=Weights(weights.schema, vector), samples=SamplesRef("own")
    )
    torch, lanes = _both(case, job)
    assert not lanes.loss < 100 or lanes.loss == pytest.approx(torch.loss, rel=1e-3)
    trained = _perform("lanes", case, replace(_training(case), start=job.weights))
    assert not np.isfinite(trained.weights.vector).all() or np.abs(trained.weights.vector).max() > 1e20


def test_what_is_not_the_kernels_is_torchs(cases):
    """Another optimiser than descent, whatever the task's kernel is."""
    case = cases["mlp"]
    torch, lanes = _both(case, _training(case, optimizer=Adam(), learning_rate=0.001))
    assert np.array_equal(torch.weights.vector, lanes.weights.vector)


def test_what_cannot_be(case):
    bench = KernelBench({"own": case.samples})
    job = _training(case)
    stopped = Cancellation()
    stopped.set()
    with pytest.raises(JobCancelled):
        bench.perform(job, cancelled=stopped)
    with pytest.raises(UnknownSamples):
        bench.perform(replace(job, samples=SamplesRef("other")), cancelled=Cancellation())
    foreign = initial_weights(Mlp(hidden=3), 1)
    with pytest.raises(SchemaMismatch):
        bench.perform(replace(job, start=foreign), cancelled=Cancellation())


def test_samples_that_do_not_fit(cases):
    rows, images = cases["tabular"].samples, cases["mnist_cnn"].samples
    bench = KernelBench({"rows": rows, "images": images})
    weights = initial_weights(MnistCnn(), 1)
    with pytest.raises(WorkFailed, match="shape"):
        bench.perform(
            EvaluationJob(network=MnistCnn(), weights=weights, samples=SamplesRef("rows")),
            cancelled=Cancellation(),
        )
    few = Mlp(classes=4)
    with pytest.raises(WorkFailed, match="10 classes"):
        bench.perform(
            EvaluationJob(network=few, weights=initial_weights(few, 1), samples=SamplesRef("images")),
            cancelled=Cancellation(),
        )
