# SPDX-License-Identifier: Apache-2.0
"""A user's own files become data sets, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bcfl.models.data.user_files import NpzFile
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import create


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataUnavailable, match=r"no data file mine\.npz in .*correct its path"):
        NpzFile(path=Path("mine.npz")).load(tmp_path)


def test_arrays_keep_their_bytes_and_their_owners(tmp_path):
    images = np.arange(2 * 784, dtype=np.int64).reshape(2, 1, 28, 28).astype(np.uint8)
    classes = np.array([1, 0], dtype=np.uint8)
    np.savez(
        tmp_path / "mine.npz",
        x_train=images,
        y_train=classes,
        x_test=images,
        y_test=classes,
        owners_train=["b", "a"],
    )
    data = create("dataset", "npz", {"path": str(tmp_path / "mine.npz"), "scale": 1 / 255}).load(None)
    assert data.train.inputs.dtype == np.uint8
    assert np.array_equal(data.train.inputs, images)
    assert data.train.owners.tolist() == [1, 0]
    assert data.test.owners is None


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.ones((2, 3)), y_train=[0], x_test=np.ones((1, 3)), y_test=[0])
    with pytest.raises(
        DataCorrupt, match=r"shape \(1,\) and x_train \(2, 3\): write one class for each of the 2 samples"
    ):
        NpzFile(path=tmp_path / "a.npz").load()
    np.savez(tmp_path / "b.npz", x_train=np.ones((1, 3)), y_train=[0.5], x_test=np.ones((1, 3)), y_test=[0])
    with pytest.raises(DataCorrupt, match="classes as integers"):
        NpzFile(path=tmp_path / "b.npz").load()
