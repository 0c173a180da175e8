# SPDX-License-Identifier: Apache-2.0
"""Accuracy, area under the ROC curve and loss of given outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bcfl.models.performance import area_under_roc, auroc, performance


def _area(negatives, positives):
    scores = np.array([*negatives, *positives], dtype=np.float64)
    return area_under_roc(scores, np.arange(len(scores)) >= len(negatives))


@pytest.mark.parametrize(
    ("negatives", "positives", "area"),
    [
        ([0, 1], [2, 3], 1.0),
        ([2, 3], [0, 1], 0.0),
        ([1, 1], [1, 1, 1], 0.5),
        ([0, 2], [1, 3], 0.75),
        ([0, 1], [1, 2], 0.875),  # of four pairs three are won and one is tied
        ([-1e30], [1e-30], 1.0),
    ],
)
def test_the_area_is_the_share_of_pairs_that_are_in_order(negatives, positives, area):
    assert _area(negatives, positives) == area


def test_two_classes_are_judged_by_the_difference_of_their_logits():
    targets = np.array([0, 0, 1, 1])
    outputs = np.array([[5, 0], [0, 1], [2, 2], [-9, 0]], dtype=np.float32)  # differences −5, 1, 0, 9
    assert auroc(outputs, targets) == 0.75


def test_confident_logits_still_order_their_samples():
    # as probabilities in float64 all four are exactly 1
    outputs = np.array([[0, 100], [0, 200], [0, 300], [0, 400]], dtype=np.float32)
    assert auroc(outputs, np.array([0, 0, 1, 1])) == 1.0


def test_more_classes_are_each_told_from_the_rest():
    rng = np.random.default_rng(3)
    outputs = rng.normal(size=(200, 4)).astype(np.float32)
    targets = rng.integers(3, size=200)  # the fourth class has no sample
    exponentials = np.exp(outputs.astype(np.float64))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    each = [area_under_roc(probabilities[:, label], targets == label) for label in range(3)]
    assert auroc(outputs, targets) == pytest.approx(np.mean(each), abs=1e-12)


def test_one_class_alone_has_no_area():
    outputs = np.array([[0, 1], [1, 0]], dtype=np.float32)
    found = performance(outputs, np.array([1, 1]))
    assert found.auroc is None
    assert found.accuracy == 0.5


def test_loss_and_accuracy_are_torchs():
    rng = np.random.default_rng(0)
    outputs = (20 * rng.normal(size=(300, 5))).astype(np.float32)
    targets = rng.integers(5, size=300)
    found = performance(outputs, targets)
    logits, labels = torch.from_numpy(outputs).double(), torch.from_numpy(targets)
    assert found.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-12)
    assert found.accuracy == (logits.argmax(dim=1) == labels).double().mean().item()
    assert found.samples == 300


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_broken_model_has_no_finite_loss_and_no_area(broken):
    outputs = np.array([[0, 1], [1, 0], [broken, broken]], dtype=np.float32)
    found = performance(outputs, np.array([0, 1, 1]))
    assert not math.isfinite(found.loss)
    assert found.auroc is None
