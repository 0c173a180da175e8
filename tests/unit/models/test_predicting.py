# SPDX-License-Identifier: Apache-2.0
"""Predictions for arrays, pictures and texts that somebody brings; what does not fit is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bcfl.models.card import ModelCard
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.models.networks.network import initial_weights
from bcfl.models.predicting import answers, samples_of

_ROWS = ModelCard(
    network="mlp", parameters={"inputs": 4, "hidden": 0, "classes": 3}, dataset="", shape=(4,), tokens=False, scale=0.5,
    labels=("a", "b", "c"),
)  # fmt: skip
_PICTURES = ModelCard(
    network="mlp", parameters={"inputs": 12, "classes": 2}, dataset="", shape=(3, 2, 2), tokens=False, scale=1 / 255,
    labels=("cat", "dog"),
)  # fmt: skip
_TEXT = ModelCard(
    network="char_lstm", parameters={"vocabulary": 4, "classes": 4, "hidden": 4}, dataset="", shape=(3,), tokens=True,
    scale=1.0, labels=("a", "b", "' '", "c"),
)  # fmt: skip


def test_arrays_with_and_without_their_classes(tmp_path):
    x = np.arange(20).reshape(5, 4)
    np.savez(tmp_path / "known.npz", x=x, y=np.array([0, 1, 2, 0, 1]))
    np.savez(tmp_path / "new.npz", x=x)
    weights = initial_weights(_ROWS.build(), 1)
    names, samples, known = samples_of(tmp_path / "known.npz", _ROWS)
    found = answers(_ROWS, weights, names, samples, known=known)
    assert names == ("0", "1", "2", "3", "4")
    weight, bias = (tensor for tensor in weights.tensors().values())
    logits = (x * 0.5) @ weight.T + bias
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(found.probabilities, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)
    assert found.performance.accuracy == (logits.argmax(axis=1) == [0, 1, 2, 0, 1]).mean()
    new = samples_of(tmp_path / "new.npz", _ROWS)
    assert answers(_ROWS, weights, new[0], new[1], known=new[2]).performance is None


def test_pictures_are_brought_to_size_and_colours(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 6), (10, 20, 30)).save(tmp_path / "in" / "a.png")
    Image.new("L", (2, 2), 77).save(tmp_path / "in" / "b.png")
    names, samples, known = samples_of(tmp_path / "in", _PICTURES)
    assert [name[-5:] for name in names] == ["a.png", "b.png"]
    assert not known
    assert samples.inputs[0, :, 0, 0].tolist() == [10, 20, 30]
    assert samples.inputs[1].tolist() == [[[77, 77], [77, 77]]] * 3
    one, _, _ = samples_of(tmp_path / "in" / "a.png", _PICTURES)
    assert one == names[:1]


def test_each_window_of_a_text_is_followed_by_what_is_to_be_guessed(tmp_path):
    (tmp_path / "it.txt").write_text("abc\n ba")
    names, samples, known = samples_of(tmp_path / "it.txt", _TEXT)
    assert known
    assert names == ("abc", "bc ", "c b")
    assert samples.inputs.tolist() == [[0, 1, 3], [1, 3, 2], [3, 2, 1]]
    assert samples.targets.tolist() == [2, 1, 0]


def _saved(path, **arrays):
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "write", "card", "message"),
    [
        ("it.npz", lambda p: _saved(p, z=np.zeros(3)), _ROWS, "has no array x"),
        ("it.npz", lambda p: _saved(p, x=np.zeros((2, 5))), _ROWS, "have the shape 5, and the model takes 4"),
        ("it.npz", lambda p: _saved(p, x=np.zeros((0, 4))), _ROWS, "one row a sample at least"),
        ("it.npz", lambda p: _saved(p, x=np.zeros((2, 4)), y=np.zeros(2)), _ROWS, "one integer for each"),
        ("it.npz", lambda p: p.write_bytes(b"no"), _ROWS, "not an .npz"),
        ("it.csv", lambda p: p.write_text("a,b\n1,2\n"), _ROWS, "is a table"),
        ("it.png", lambda p: p.write_bytes(b"no"), _PICTURES, "no image that can be read"),
        (
            "it.png",
            lambda p: Image.new("L", (2, 2)).save(p),
            _ROWS,
            "is a picture, and the model takes samples",
        ),
        ("it", lambda p: p.mkdir(), _PICTURES, "has no picture"),
        ("it.txt", lambda p: p.write_text("abz"), _TEXT, "has 'z', which the model's alphabet lacks"),
        ("it.txt", lambda p: p.write_text("abc"), _TEXT, "give a longer text"),
    ],
)
def test_what_does_not_fit(tmp_path, name, write, card, message):
    write(tmp_path / name)
    with pytest.raises(DataCorrupt, match=message):
        samples_of(tmp_path / name, card)


def test_nothing_there(tmp_path):
    with pytest.raises(DataUnavailable, match="correct its path"):
        samples_of(tmp_path / "nowhere.npz", _ROWS)
