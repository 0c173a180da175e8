# SPDX-License-Identifier: Apache-2.0
"""Samples fit together, and their digest is their content's."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.data.catalog import available, fetch
from bcfl.models.data.dataset import Samples
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.errors import DataCorrupt
from bcfl.registry import InvalidParameters


def _samples(**changes):
    given = {"inputs": np.zeros((3, 2), np.float32), "targets": np.array([0, 1, 2]), **changes}
    return Samples(**given)


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": np.zeros((3, 2), np.float64)},
        {"targets": np.zeros(3, np.int32)},
        {"targets": np.zeros(2, np.int64)},
        {"targets": np.array([0, -1, 2])},
        {"owners": np.zeros(2, np.int64)},
    ],
)
def test_samples_that_do_not_fit_are_refused(changes):
    with pytest.raises(DataCorrupt):
        _samples(**changes)


def test_the_digest_changes_with_any_content():
    digests = {
        _samples().digest(),
        _samples(inputs=np.ones((3, 2), np.float32)).digest(),
        _samples(targets=np.array([0, 1, 1])).digest(),
        _samples(scale=0.5).digest(),
        _samples(owners=np.zeros(3, np.int64)).digest(),
        _samples(inputs=np.zeros((3, 1, 2), np.float32)).digest(),
    }
    assert len(digests) == 6
    assert _samples().digest() in digests


def test_selected_samples_keep_order_owner_and_scale():
    chosen = _samples(owners=np.array([5, 6, 7]), scale=0.5).select(np.array([2, 0]))
    assert chosen.targets.tolist() == [2, 0]
    assert chosen.owners.tolist() == [7, 5]
    assert chosen.scale == 0.5
    assert chosen.classes == 3


def test_synthetic_data_follow_their_seed():
    assert Synthetic().load().digest == Synthetic().load().digest != Synthetic(seed=1).load().digest


@pytest.mark.parametrize(("form", "shape"), [("patterns", (1, 28, 28)), ("blobs", (8,))])
def test_synthetic_classes_separate(form, shape):
    data = Synthetic(form=form, samples=500, test_samples=200).load()
    assert data.train.inputs.shape == (500, *shape)
    assert np.bincount(data.train.targets).tolist() == [50] * 10
    train, test = (part.inputs.reshape(len(part), -1).astype(float) for part in (data.train, data.test))
    centres = np.stack([train[data.train.targets == target].mean(axis=0) for target in range(10)])
    nearest = ((test[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == data.test.targets).mean() > 0.95


def test_the_catalog_says_what_is_cached(monkeypatch, tmp_path):
    monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path))
    listed = {entry.name: entry.cached for entry in available()}
    assert listed.items() >= {"mnist": False, "synthetic": None, "npz": None, "csv": None}.items()
    assert listed["heart_disease"] is False
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "mnist.npz").touch()
    assert {entry.name: entry.cached for entry in available()}["mnist"] is True


def test_fetch_makes_a_data_set_and_refuses_those_that_need_a_path():
    assert fetch("synthetic").name == "synthetic"
    with pytest.raises(InvalidParameters, match="path"):
        fetch("npz")
