# SPDX-License-Identifier: Apache-2.0
"""Networks are built, initialised, loaded and read as one vector."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from bcfl.models.errors import SchemaMismatch
from bcfl.models.networks.cnn import FemnistCnn, MnistCnn
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import build, initial_weights, load_weights, read_weights
from bcfl.models.weights import Weights
from bcfl.registry import create


def test_the_published_cnn_has_its_38390_parameters_in_eight_tensors():
    schema = MnistCnn().schema()
    assert schema.size == 38_390
    assert {tensor.name: tensor.shape for tensor in schema.tensors} == {
        "conv1.weight": (10, 1, 5, 5),
        "conv1.bias": (10,),
        "conv2.weight": (20, 10, 5, 5),
        "conv2.bias": (20,),
        "fc1.weight": (100, 320),
        "fc1.bias": (100,),
        "fc2.weight": (10, 100),
        "fc2.bias": (10,),
    }


def test_the_cnn_gives_one_logit_a_class_and_no_probability():
    logits = build(MnistCnn(classes=62))(torch.rand(3, 1, 28, 28))
    assert logits.shape == (3, 62)
    assert not torch.allclose(logits.exp().sum(dim=1), torch.ones(3))


def test_leafs_network_has_as_many_parameters_as_leafs():
    assert FemnistCnn().schema().size == 6_603_710
    assert build(FemnistCnn(hidden=4))(torch.rand(2, 1, 28, 28)).shape == (2, 62)
    with pytest.raises(ValueError, match="at least 1"):
        FemnistCnn(hidden=0)


def test_initial_weights_follow_the_seed_alone():
    first = initial_weights(MnistCnn(), 7).vector
    torch.rand(100)
    assert np.array_equal(first, initial_weights(MnistCnn(), 7).vector)
    assert not np.array_equal(first, initial_weights(MnistCnn(), 8).vector)


def test_initial_weights_leave_torchs_generator_as_it_was():
    before = torch.random.get_rng_state()
    initial_weights(Mlp(), 7)
    assert torch.equal(before, torch.random.get_rng_state())


def test_initial_weights_are_torchs_default_initialisation():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = torch.cat([tensor.flatten() for tensor in MnistCnn().build().state_dict().values()])
    # but for the last bit, which in torch follows the processor's instructions
    assert np.allclose(initial_weights(MnistCnn(), 7).vector, expected.numpy(), rtol=0, atol=2.0**-25)


def test_initial_weights_are_the_same_while_other_threads_build():
    expected = initial_weights(Mlp(), 3).vector
    others = [threading.Thread(target=initial_weights, args=(MnistCnn(), seed)) for seed in range(8)]
    for thread in others:
        thread.start()
    found = [initial_weights(Mlp(), 3).vector for _ in range(8)]
    for thread in others:
        thread.join()
    assert all(np.array_equal(expected, vector) for vector in found)


def test_weights_survive_a_channels_last_module():
    weights = initial_weights(MnistCnn(), 1)
    module = build(MnistCnn()).to(memory_format=torch.channels_last)
    load_weights(module, weights)
    assert np.array_equal(read_weights(MnistCnn(), module).vector, weights.vector)


def test_read_only_weights_can_be_loaded():
    weights = initial_weights(Mlp(), 1)
    frozen = np.frombuffer(weights.vector.tobytes(), dtype=np.float32)
    module = build(Mlp())
    load_weights(module, Weights(weights.schema, frozen))
    assert np.array_equal(read_weights(Mlp(), module).vector, frozen)


def test_weights_of_another_network_are_refused():
    with pytest.raises(SchemaMismatch, match="tensors of the network"):
        load_weights(build(Mlp()), initial_weights(Mlp(hidden=3), 1))


def test_a_network_that_is_not_float32_is_refused():
    class Halves:
        def build(self):
            return torch.nn.Linear(2, 2).half()

    with pytest.raises(SchemaMismatch, match="only float32"):
        load_weights(Halves().build(), initial_weights(Mlp(), 1))


def test_an_mlp_without_a_hidden_layer_is_logistic_regression():
    assert Mlp(inputs=4, hidden=0, classes=3).schema().size == 4 * 3 + 3


def test_networks_come_from_the_registry_with_parameters():
    assert create("network", "mnist_cnn", {"classes": 62}) == MnistCnn(classes=62)
    assert create("network", "mlp", {"hidden": 5}).schema().tensors[0].shape == (5, 784)
