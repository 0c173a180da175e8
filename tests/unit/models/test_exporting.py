# SPDX-License-Identifier: Apache-2.0
"""Exported models answer as the network does, for any number of samples, and without bcfl."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from bcfl.models.card import ModelCard
from bcfl.models.errors import ExportImpossible
from bcfl.models.exporting import export
from bcfl.models.networks.network import build, initial_weights, load_weights

_CARDS = [
    ("mlp", {"inputs": 6, "classes": 3}, (2, 3), False),
    ("mnist_cnn", {"classes": 62}, (1, 28, 28), False),
    ("mnist_cnn_small", {}, (1, 28, 28), False),
    ("tabular", {"inputs": 5}, (5,), False),
    ("char_lstm", {"vocabulary": 9, "classes": 9, "hidden": 8}, (12,), True),
]


def _card(network, parameters, shape, tokens):
    labels = tuple(map(str, range(parameters.get("classes", 10))))
    return ModelCard(
        network=network,
        parameters=parameters,
        dataset="",
        shape=shape,
        tokens=tokens,
        scale=1.0,
        labels=labels,
        pictures=False,
    )


def _given(card, count):
    draw = np.random.default_rng(count)
    shape = (count, *card.shape)
    return draw.integers(0, 9, shape) if card.tokens else draw.standard_normal(shape).astype(np.float32)


def _expected(card, weights, inputs):
    module = build(card.build()).eval()
    load_weights(module, weights)
    with torch.inference_mode():
        return module(torch.from_numpy(inputs)).numpy()


@pytest.mark.parametrize("given", _CARDS, ids=lambda given: given[0])
def test_a_torch_program_runs_without_bcfl(given, tmp_path):
    card = _card(*given)
    weights = initial_weights(card.build(), 3)
    export(card, weights, tmp_path / "it.pt2", "torch")
    inputs = _given(card, 7)
    np.save(tmp_path / "inputs.npy", inputs)
    code = (
        "import sys, numpy as np, torch; program = torch.export.load('it.pt2').module();"
        "out = program(torch.from_numpy(np.load('inputs.npy'))); np.save('out.npy', out.detach().numpy());"
        "assert not any(name.split('.')[0] == 'bcfl' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert np.allclose(np.load(tmp_path / "out.npy"), _expected(card, weights, inputs), atol=1e-5)


@pytest.mark.parametrize("given", _CARDS, ids=lambda given: given[0])
def test_onnx_answers_the_same(given, tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    card = _card(*given)
    weights = initial_weights(card.build(), 3)
    export(card, weights, tmp_path / "it.onnx", "onnx")
    model = onnx.load(tmp_path / "it.onnx")
    onnx.checker.check_model(model)
    for count in (1, 5):
        inputs = _given(card, count)
        (found,) = ReferenceEvaluator(model).run(["logits"], {"inputs": inputs})
        assert np.allclose(found, _expected(card, weights, inputs), atol=1e-4)


def test_onnx_needs_its_packages(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    card = _card(*_CARDS[0])
    with pytest.raises(ExportImpossible, match=r"pip install 'bcfl\[onnx\]'"):
        export(card, initial_weights(card.build(), 3), tmp_path / "it.onnx", "onnx")
    assert not (tmp_path / "it.onnx").exists()
