# SPDX-License-Identifier: Apache-2.0
"""FEMNIST by writer: read from the user's file, and refused in one sentence where it is missing or something else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bcfl.models.data.femnist import Femnist
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import InvalidParameters, create


@pytest.fixture
def directory(tmp_path):
    _write(tmp_path)
    return tmp_path


def _write(directory, **changed):
    draw = np.random.default_rng(0)
    arrays = {
        "x": draw.integers(0, 256, (40, 28, 28), dtype=np.uint8),
        "y": (np.arange(40) % 20).astype(np.uint8),
        "writer": (np.arange(40) // 8).astype(np.int16),
        "is_test": (np.arange(40) % 4 == 0).astype(np.uint8),
    } | changed
    np.savez(directory / "femnist_writers.npz", **arrays)
    return arrays


def test_digits_of_each_writer_in_mnists_polarity(directory):
    found = create("dataset", "femnist").load(directory)
    arrays = _write(directory)
    assert (len(found.train), len(found.test)) == (14, 6)
    assert found.train.classes == 10
    assert found.train.inputs.shape[1:] == (1, 28, 28)
    assert sorted(set(found.train.owners.tolist())) == [0, 1, 2, 3]
    # ink is dark on white paper in the file and light on dark here
    assert (found.train.inputs[0, 0] == 255 - arrays["x"][1]).all()


def test_all_characters_where_wanted(directory):
    found = Femnist(digits=False).load(directory)
    assert len(found.train) + len(found.test) == 40
    assert found.train.targets.max() == 19


def test_a_missing_file_is_named_with_the_way_out(tmp_path, monkeypatch):
    with pytest.raises(DataUnavailable, match=r"femnist_writers\.npz .* --data-dir"):
        Femnist().load(tmp_path)
    monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("BCFL_DATA_DIR", raising=False)
    with pytest.raises(DataUnavailable, match="cache/femnist"):
        Femnist().load()


@pytest.mark.parametrize(
    "changed",
    [
        {"x": np.zeros((40, 28, 28), dtype=np.float32)},
        {"x": np.zeros((40, 784), dtype=np.uint8)},
        {"y": np.full(40, 62)},
        {"y": np.zeros(39, dtype=np.int64)},
        {"writer": np.zeros((40, 2), dtype=np.int64)},
        {"is_test": np.zeros(40, dtype=np.int64)},
    ],
)
def test_anything_else_is_refused(tmp_path, changed):
    _write(tmp_path, **changed)
    with pytest.raises(DataCorrupt, match="must hold x"):
        Femnist().load(tmp_path)


def test_writers_that_nobody_trains_on(directory):
    found = Femnist(digits=False, test="writers", test_share=0.4).load(directory)
    assert not set(found.train.owners.tolist()) & set(found.test.owners.tolist())
    assert len(set(found.test.owners.tolist())) == 2
    assert len(found.train) + len(found.test) == 40
    few = Femnist(digits=False, test="writers", writers=3).load(directory)
    assert (len(set(few.train.owners.tolist())), len(set(few.test.owners.tolist()))) == (2, 1)
    with pytest.raises(InvalidParameters, match="writers at least 2"):
        create("dataset", "femnist", {"writers": 1})


def _leaf(directory, x, y):
    for part, users in (("train", ("f1_09", "f2_11")), ("test", ("f2_11",))):
        (directory / part).mkdir(exist_ok=True)
        content = {"users": users, "user_data": {user: {"x": x, "y": y} for user in users}}
        (directory / part / "data_0.json").write_text(json.dumps(content))


def test_leafs_own_json(tmp_path):
    _leaf(tmp_path, [[1.0] * 783 + [0.2], [0.0] * 784], [61, 3])
    found = Femnist(digits=False, polarity="leaf").load(tmp_path)
    assert found.train.owners.tolist() == [0, 0, 1, 1]
    assert found.test.targets.tolist() == [61, 3]
    assert found.train.inputs[0, 0, 27].tolist() == [255] * 27 + [51]
    assert (Femnist(digits=False).load(tmp_path).train.inputs == 255 - found.train.inputs).all()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[0.5] * 700], [1], "784 numbers"),
        ([[2.0] * 784], [1], "from 0 to 1"),
        ([[0.5] * 784], [1, 2], "2 y of the user"),
        ([[0.5] * 784], [62], "must hold x"),
        (["to be"], ["a"], "784 numbers"),
        ([], [], "nobody in it has a sample"),
        ([[0.5] * 784], ["a"], "each y must be a class"),
    ],
)
def test_json_that_is_not_leafs(tmp_path, x, y, message):
    _leaf(tmp_path, x, y)
    with pytest.raises(DataCorrupt, match=message):
        Femnist(digits=False).load(tmp_path)
