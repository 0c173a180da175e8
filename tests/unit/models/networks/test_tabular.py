# SPDX-License-Identifier: Apache-2.0
"""The network for tables: its layers, and its dropout."""

from __future__ import annotations

import pytest
import torch

from bcfl.models.data.heart_disease import FEATURES
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import build
from bcfl.models.networks.tabular import Tabular
from bcfl.registry import InvalidParameters, create


def test_every_hidden_layer_has_its_size():
    shapes = {tensor.name: tensor.shape for tensor in Tabular(hidden=(32, 16)).schema().tensors}
    assert shapes == {
        "fc1.weight": (32, 35),
        "fc1.bias": (32,),
        "fc2.weight": (16, 32),
        "fc2.bias": (16,),
        "fc3.weight": (2, 16),
        "fc3.bias": (2,),
    }


def test_without_a_hidden_layer_it_is_logistic_regression():
    assert [type(layer).__name__ for layer in Tabular(hidden=()).build()] == ["Linear"]
    assert Tabular(inputs=4, hidden=(), classes=3).schema().size == 4 * 3 + 3


def test_with_one_layer_and_no_dropout_it_is_the_mlp():
    rows = torch.rand(5, 35)
    ours, theirs = (
        build(network, seed=3) for network in (Tabular(dropout=0.0), Mlp(inputs=35, hidden=32, classes=2))
    )
    assert torch.equal(ours(rows), theirs(rows))


def test_the_defaults_fit_heart_disease():
    assert Tabular().inputs == len(FEATURES)
    assert build(Tabular()).eval()(torch.rand(3, 35)).shape == (3, 2)


def test_dropout_after_every_layer_acts_in_training_alone():
    module = build(Tabular(hidden=(8, 8)))
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in module) == 2
    rows = torch.rand(50, 35)
    assert not torch.equal(module(rows), module(rows))
    module.eval()
    assert torch.equal(module(rows), module(rows))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"hidden": [8, 0]}, "at least 1, not 35"),
        ({"classes": 0}, "at least 1"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
    ],
)
def test_parameters_that_make_no_network_are_refused(parameters, sentence):
    with pytest.raises(InvalidParameters, match=sentence):
        create("network", "tabular", parameters)


def test_it_comes_from_the_registry_with_its_layers_as_a_list():
    assert create("network", "tabular", {"hidden": [64, 32], "inputs": 10}) == Tabular(
        hidden=(64, 32), inputs=10
    )
