# SPDX-License-Identifier: Apache-2.0
"""A user's own files become data sets, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bcfl.models.data.user_files import CsvFile, NpzFile
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import create

_TABLE = "age,pressure,hospital,sick\n" + "".join(
    f"{20 + row},{100 + row % 7},{'AB'[row % 2]},{'yes' if row % 3 else 'no'}\n" for row in range(50)
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "heart.csv"
    path.write_text(_TABLE + "?,1,A,yes\n")
    return path


def test_a_table_becomes_standardised_features_and_ranked_classes(table):
    data = CsvFile(path=table, target="sick", owner="hospital").load()
    assert data.name == "heart"
    assert (len(data.train), len(data.test)) == (40, 10)
    assert data.train.inputs.shape == (40, 2)
    assert data.train.inputs.dtype == np.float32
    assert data.train.inputs.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert data.train.inputs.std(axis=0) == pytest.approx([1, 1], abs=1e-5)
    assert set(data.train.targets) == {0, 1}
    assert set(data.train.owners) == {0, 1}


def test_rows_without_a_number_are_left_out_and_the_split_follows_the_seed(table):
    one, again, other = (
        CsvFile(path=table, target="sick", owner="hospital", seed=seed).load() for seed in (0, 0, 1)
    )
    assert len(one.train) + len(one.test) == 50
    assert one.digest == again.digest != other.digest


def test_classes_that_are_numbers_rank_as_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{row},{row % 3 * 5 + 5}\n" for row in range(12)))
    data = CsvFile(path=tmp_path / "t.csv", target="y", standardize=False).load()
    assert all(
        target == value % 3 for value, target in zip(data.train.inputs[:, 0], data.train.targets, strict=True)
    )


def test_a_relative_path_is_looked_for_in_the_data_directory(table, tmp_path):
    assert len(CsvFile(path=Path("heart.csv"), target="sick", owner="hospital").load(tmp_path).test) == 10


@pytest.mark.parametrize(
    ("content", "target", "sentence"),
    [
        ("a,b\n1,2\n", "c", "no column 'c'; its columns are: a, b"),
        ("a,b\nx,2\n", "b", "no row whose columns a all hold numbers"),
        ("b\n2\n", "b", "no row"),
        ("a,b\n1,2\n", "b", "1 complete rows, of which 20% cannot be kept"),
        ("", "b", "no column"),
    ],
)
def test_an_unusable_table_is_refused_in_words(tmp_path, content, target, sentence):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataCorrupt, match=sentence):
        CsvFile(path=tmp_path / "t.csv", target=target).load()


def test_a_binary_file_is_no_table(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00\xff")
    with pytest.raises(DataCorrupt, match="UTF-8"):
        CsvFile(path=tmp_path / "t.csv", target="y").load()


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
    with pytest.raises(DataCorrupt, match="one target each"):
        NpzFile(path=tmp_path / "a.npz").load()
    np.savez(tmp_path / "b.npz", x_train=np.ones((1, 3)), y_train=[0.5], x_test=np.ones((1, 3)), y_test=[0])
    with pytest.raises(DataCorrupt, match="classes as integers"):
        NpzFile(path=tmp_path / "b.npz").load()
