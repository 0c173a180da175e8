# SPDX-License-Identifier: Apache-2.0
"""Predictions for arrays, pictures and texts that somebody brings; what does not fit is refused in one sentence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from bcfl.models.card import ModelCard
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.models.networks.network import initial_weights
from bcfl.models.predicting import answers, checked, question_of


def _card(network, parameters, shape, labels, *, tokens=False, scale=1.0, pictures=False):
    return ModelCard(
        network=network,
        parameters=parameters,
        dataset="",
        shape=shape,
        tokens=tokens,
        scale=scale,
        labels=labels,
        pictures=pictures,
    )


_ROWS = _card("mlp", {"inputs": 4, "hidden": 0, "classes": 3}, (4,), ("a", "b", "c"), scale=0.5)
_PICTURES = _card(
    "mlp", {"inputs": 12, "classes": 2}, (3, 2, 2), ("cat", "dog"), scale=1 / 255, pictures=True
)
_PLAIN = _PICTURES.model_copy(update={"pictures": False})
_TEXT = _card(
    "char_lstm", {"vocabulary": 4, "classes": 4, "hidden": 4}, (3,), ("a", "b", "' '", "c"), tokens=True
)


def test_arrays_with_and_without_their_classes(tmp_path):
    x = np.arange(2400).reshape(600, 4) / 100
    np.savez(tmp_path / "known.npz", x=x, y=np.arange(600) % 3)
    np.savez(tmp_path / "new.npz", x_test=x)
    weights = initial_weights(_ROWS.build(), 1)
    question = question_of(tmp_path / "known.npz", _ROWS)
    assert question.known
    assert list(question.names[:3]) == ["0", "1", "2"]
    assert question.samples.targets.tolist() == (np.arange(600) % 3).tolist()
    found = np.concatenate(list(answers(_ROWS, weights, question)))
    weight, bias = (tensor for tensor in weights.tensors().values())
    logits = (x * 0.5) @ weight.T + bias
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)
    assert not question_of(tmp_path / "new.npz", _ROWS).known


def test_pictures_are_brought_to_size_and_colours(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 6), (10, 20, 30)).save(tmp_path / "in" / "a.png")
    Image.new("L", (2, 2), 77).save(tmp_path / "in" / "b.png")
    question = question_of(tmp_path / "in", _PICTURES)
    assert [name[-5:] for name in question.names] == ["a.png", "b.png"]
    assert not question.known
    assert question.samples.inputs[0, :, 0, 0].tolist() == [10, 20, 30]
    assert question.samples.inputs[1].tolist() == [[[77, 77], [77, 77]]] * 3
    assert question_of(tmp_path / "in" / "a.png", _PICTURES).names == question.names[:1]


def test_each_window_of_a_text_is_followed_by_what_is_to_be_guessed(tmp_path):
    (tmp_path / "it.txt").write_text("abc\n ba")
    question = question_of(tmp_path / "it.txt", _TEXT)
    assert question.known
    assert list(question.names) == ["abc", "bc ", "c b"]
    assert question.samples.inputs.tolist() == [[0, 1, 3], [1, 3, 2], [3, 2, 1]]
    assert question.samples.targets.tolist() == [2, 1, 0]
    (rows,) = answers(_TEXT, initial_weights(_TEXT.build(), 1), question)
    assert rows.shape == (3, 4)
    assert np.allclose(rows.sum(axis=1), 1)


def _saved(**arrays):
    return lambda path: np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "write", "card", "message"),
    [
        ("it.npz", _saved(z=np.zeros(3)), _ROWS, "has no array x"),
        ("it.npz", _saved(x=np.zeros((2, 5))), _ROWS, "have the shape 5, and the model takes 4"),
        ("it.npz", _saved(x=np.zeros((0, 4))), _ROWS, "one row a sample at least"),
        ("it.npz", _saved(x=np.float64(3)), _ROWS, "one row a sample at least"),
        ("it.npz", _saved(x=np.zeros((2, 4), dtype=complex)), _ROWS, "must hold real numbers"),
        ("it.npz", _saved(x=np.full((2, 4), np.nan)), _ROWS, "a number that is not finite"),
        ("it.npz", _saved(x=np.zeros((2, 4)), y=np.zeros(2)), _ROWS, "an integer from 0, for each"),
        ("it.npz", _saved(x=np.zeros((2, 4)), y=np.array([0, -1])), _ROWS, "an integer from 0, for each"),
        (
            "it.npz",
            _saved(x=np.zeros((2, 4)), y=np.array([0, 3])),
            _ROWS,
            "has the class 3, and the model tells 3",
        ),
        ("it.npz", _saved(x=np.array([[0, 1, 4]])), _TEXT, "tokens below 0 or above 3"),
        ("it.npz", _saved(x=np.array([[0, 1, -1]])), _TEXT, "tokens below 0 or above 3"),
        ("it.npz", _saved(x=np.array([[0, 1, 1.7]])), _TEXT, "must hold integers"),
        ("it.npz", lambda path: path.write_bytes(b"no"), _ROWS, "not an .npz"),
        ("it.csv", lambda path: path.write_text("a,b\n1,2\n"), _ROWS, "the model was not trained on one"),
        ("it.png", lambda path: path.write_bytes(b"no"), _PICTURES, "no image that can be read"),
        (
            "it.png",
            lambda path: Image.new("L", (2, 2)).save(path),
            _PLAIN,
            "not trained on the bytes of pictures",
        ),
        ("it", lambda path: path.mkdir(), _PICTURES, "has no picture"),
        ("it.txt", lambda path: path.write_text("abz"), _TEXT, "has 'z', which the model's alphabet lacks"),
        ("it.txt", lambda path: path.write_text("abc"), _TEXT, "give a longer text"),
    ],
)
def test_what_does_not_fit(tmp_path, name, write, card, message):
    write(tmp_path / name)
    with pytest.raises(DataCorrupt, match=message):
        question_of(tmp_path / name, card)


def test_data_that_have_changed_since_the_run(tmp_path):
    np.savez(tmp_path / "it.npz", x=np.zeros((2, 4)))
    samples = question_of(tmp_path / "it.npz", _ROWS).samples
    wider = dataclasses.replace(samples, inputs=np.zeros((2, 5), dtype=np.float32))
    with pytest.raises(DataCorrupt, match="The samples of the run's own data have the shape 5"):
        checked(wider, _ROWS, "the run's own data")


def test_nothing_there(tmp_path):
    with pytest.raises(DataUnavailable, match="correct its path"):
        question_of(tmp_path / "nowhere.npz", _ROWS)
