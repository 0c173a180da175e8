# SPDX-License-Identifier: Apache-2.0
"""Evaluation is the mean cross-entropy and accuracy over all samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bcfl.models.data.dataset import Samples
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.errors import JobCancelled
from bcfl.models.evaluation import evaluate
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.network import build
from bcfl.models.training.tensors import DeviceSamples

_DATA = Synthetic(samples=10, test_samples=613).load().test


@pytest.fixture
def samples():
    return DeviceSamples(_DATA, torch.device("cpu"))


def test_chunks_give_the_loss_and_accuracy_of_the_whole(samples):
    module = build(MnistCnn(), seed=4)
    found = evaluate(module, samples, samples.indices(None))
    with torch.inference_mode():
        logits = module.eval()(torch.from_numpy(_DATA.inputs).float() * _DATA.scale).double()
        targets = torch.from_numpy(_DATA.targets)
        assert found.loss == pytest.approx(
            torch.nn.functional.cross_entropy(logits, targets).item(), rel=1e-6
        )
        assert found.accuracy == (logits.argmax(dim=1) == targets).double().mean().item()
        chances = torch.softmax(logits, dim=1)[torch.arange(len(targets)), targets]
        assert found.probability == pytest.approx(chances.mean().item(), rel=1e-6)
        by_class = [chances[targets == label].mean().item() for label in range(10)]
        assert found.balanced_probability == pytest.approx(np.mean(by_class), rel=1e-6)
    assert found.samples == 613


def test_chosen_samples_only(samples):
    module = build(MnistCnn(), seed=4)
    one = evaluate(module, samples, samples.indices(np.array([5])))
    other = evaluate(module, samples, samples.indices(np.array([6])))
    both = evaluate(module, samples, samples.indices(np.array([5, 6])))
    assert both.loss == pytest.approx((one.loss + other.loss) / 2, rel=1e-6)


def test_wrong_labels_shift_the_probability_of_all_models_alike_and_the_loss_not():
    """What makes a judge with evenly wrong labels rank models rightly: a symmetric loss."""
    every_label = Samples(
        inputs=np.repeat(_DATA.inputs[:40], 10, axis=0),
        targets=np.tile(np.arange(10), 40),
        scale=_DATA.scale,
    )
    samples = DeviceSamples(every_label, torch.device("cpu"))
    timid, bold = (build(MnistCnn(), seed=seed) for seed in (4, 5))
    with torch.no_grad():
        for parameter in bold.parameters():
            parameter.mul_(3)
    one, other = (evaluate(module, samples, samples.indices(None)) for module in (timid, bold))
    assert one.probability == pytest.approx(0.1, rel=1e-5)
    assert other.probability == pytest.approx(0.1, rel=1e-5)
    assert other.loss > one.loss + 0.5


def test_classes_that_are_not_there_do_not_count(samples):
    module = build(MnistCnn(), seed=4)
    chosen = np.flatnonzero(np.isin(_DATA.targets, (1, 7)))
    found = evaluate(module, samples, samples.indices(chosen))
    one, seven = (
        evaluate(module, samples, samples.indices(np.flatnonzero(_DATA.targets == label))).probability
        for label in (1, 7)
    )
    assert found.balanced_probability == pytest.approx((one + seven) / 2, rel=1e-9)


def test_a_cancelled_evaluation_stops(samples):
    with pytest.raises(JobCancelled):
        evaluate(build(MnistCnn()), samples, samples.indices(None), cancelled=lambda: True)
