# SPDX-License-Identifier: Apache-2.0
"""MNIST's images with their writers, from tables that are checked against the images."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from bcfl.models.data import mnist_writers
from bcfl.models.data.mnist import Mnist
from bcfl.models.data.mnist_writers import MnistWriters
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.errors import DataCorrupt, DataUnavailable


@pytest.fixture
def digits(monkeypatch):
    made = Synthetic(samples=6, test_samples=2).load()
    monkeypatch.setattr(Mnist, "load", lambda *_: made)
    return made


def _tables(directory, monkeypatch, **tables):
    """A table a part, of (label, writer); QMNIST's own has more rows to test on than MNIST."""
    hashes = {}
    for part, rows in tables.items():
        name = f"qmnist-{part}-labels.tsv.gz"
        text = "".join(f"{label}\t4\t{writer}\t0\t0\t0\t0\t0\n" for label, writer in rows)
        (directory / name).write_bytes(gzip.compress(text.encode()))
        hashes[name] = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    monkeypatch.setattr(mnist_writers, "_TABLES", hashes)


def test_each_image_has_its_writer(tmp_path, monkeypatch, digits):
    train = [(label, writer) for label, writer in zip(digits.train.targets, [9, 9, 5, 70, 5, 9], strict=True)]
    test = [*((label, 12) for label in digits.test.targets), (0, 99)]
    _tables(tmp_path, monkeypatch, train=train, test=test)
    found = MnistWriters().load(tmp_path)
    assert found.train.owners.tolist() == [1, 1, 0, 3, 0, 1]
    assert found.test.owners.tolist() == [2, 2]
    assert (found.train.inputs == digits.train.inputs).all()


def test_other_tables_are_refused(tmp_path, monkeypatch, digits):
    wrong = [((label + 1) % 10, 1) for label in digits.train.targets]
    _tables(tmp_path, monkeypatch, train=wrong, test=[(label, 1) for label in digits.test.targets])
    with pytest.raises(DataCorrupt, match="not those of MNIST"):
        MnistWriters().load(tmp_path)
    (tmp_path / "qmnist-train-labels.tsv.gz").write_bytes(b"")
    with pytest.raises(DataCorrupt, match="sha256"):
        MnistWriters().load(tmp_path)


def test_missing_tables_are_named(tmp_path):
    with pytest.raises(DataUnavailable, match="does not hold qmnist-train"):
        MnistWriters().load(tmp_path)
