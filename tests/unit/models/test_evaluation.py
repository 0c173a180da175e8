# SPDX-License-Identifier: Apache-2.0
"""Evaluation is the mean cross-entropy and accuracy over all samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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
    assert found.samples == 613


def test_chosen_samples_only(samples):
    module = build(MnistCnn(), seed=4)
    one = evaluate(module, samples, samples.indices(np.array([5])))
    other = evaluate(module, samples, samples.indices(np.array([6])))
    both = evaluate(module, samples, samples.indices(np.array([5, 6])))
    assert both.loss == pytest.approx((one.loss + other.loss) / 2, rel=1e-6)


def test_a_cancelled_evaluation_stops(samples):
    with pytest.raises(JobCancelled):
        evaluate(build(MnistCnn()), samples, samples.indices(None), cancelled=lambda: True)
