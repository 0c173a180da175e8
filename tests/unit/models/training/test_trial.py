# SPDX-License-Identifier: Apache-2.0
"""One batch tells whether data and network fit; the size of a network is known before it is built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import DeviceUnavailable, NetworkUnfit
from bcfl.models.networks.char_lstm import CharLstm
from bcfl.models.networks.cnn import MnistCnn, MnistCnnSmall
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights, schema_of
from bcfl.models.networks.tabular import Tabular
from bcfl.models.training.trial import check_device, model_bytes, needs_pairs, try_batch


def samples(*shape, classes=3, value=1.0):
    inputs = np.full(shape, value, dtype=np.float32)
    return Samples(inputs=inputs, targets=np.arange(len(inputs)) % classes)


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A network of somebody's own."""

    layers: str = "normal"

    def schema(self):
        return schema_of(self)

    def build(self):
        if self.layers == "broken":
            raise RuntimeError("no such layer\nand a second line")
        if self.layers == "normal":
            return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3))
        return torch.nn.Conv1d(1, 3, 1)


@pytest.mark.parametrize("network", [Mlp(), MnistCnn(), MnistCnnSmall(classes=3), Tabular(inputs=3), Odd()])
def test_the_size_is_that_of_the_tensors(network):
    assert model_bytes("x", network) == 4 * initial_weights(network, 0).vector.size


def test_the_size_of_what_no_machine_could_hold_is_known_too():
    assert model_bytes("mlp", Mlp(hidden=100_000_000)) > 10**11


@pytest.mark.parametrize(
    ("network", "shape", "classes"),
    [
        (Mlp(inputs=4, classes=3), (5, 4), 3),
        (Mlp(inputs=4, classes=5), (5, 2, 2), 3),  # more outputs than classes found do no harm
        (Mlp(inputs=4, hidden=0, classes=3), (1, 4), 3),
        (MnistCnn(), (2, 1, 28, 28), 3),
        (Odd(), (1, 3), 3),  # batch normalisation gets two
    ],
)
def test_what_fits_passes(network, shape, classes):
    try_batch("it", network, samples(*shape), classes)


@pytest.mark.parametrize(
    ("network", "shape", "classes", "sentence"),
    [
        (
            Tabular(inputs=35),
            (5, 4),
            2,
            "The rows have 4 numbers, the network 'it' takes 35: set task.network.inputs: 4",
        ),
        (
            Mlp(inputs=30),
            (5, 28, 28),
            3,
            r"The samples have 784 numbers .28 × 28., .* set task\.network\.inputs: 784",
        ),
        (
            Mlp(inputs=4, classes=2),
            (5, 4),
            3,
            "have 3 classes and the network 'it' tells 2 apart: set task.network.classes: 3",
        ),
        (MnistCnn(), (5, 28, 28), 3, r"takes images with a channel, .* shape \(n, 1, 28, 28\)"),
        (MnistCnn(), (5, 3, 32, 32), 3, "cannot take samples of the shape 3 × 32 × 32: "),
        (Odd(layers="outputs"), (5, 1, 7), 3, r"gives outputs of the shape \(5, 3, 7\)"),
    ],
)
def test_what_does_not_fit_is_said_with_the_key_to_set(network, shape, classes, sentence):
    with pytest.raises(NetworkUnfit, match=sentence):
        try_batch("it", network, samples(*shape), classes)


def test_numbers_that_no_network_can_take_are_named():
    with pytest.raises(NetworkUnfit, match=r"loss of a first batch is not finite: .* up to 3e\+38"):
        try_batch("mlp", Mlp(inputs=4, classes=3), samples(5, 4, value=3e38), 3)


def test_a_network_that_cannot_be_built_says_why_in_a_line():
    with pytest.raises(NetworkUnfit, match=r"'odd' cannot be built: no such layer\.$"):
        model_bytes("odd", Odd(layers="broken"))


def test_who_normalises_over_a_batch_needs_pairs():
    assert needs_pairs(Odd())
    assert not needs_pairs(Mlp())


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_device("cpu")
    check_device("auto")
    with pytest.raises(DeviceUnavailable, match="no CUDA device: write cpu or auto"):
        check_device("cuda")


@pytest.mark.parametrize(
    ("network", "given", "sentence"),
    [
        (
            Mlp(inputs=4, classes=3),
            {"tokens": True},
            "are sequences of tokens, and the network 'it' takes numbers",
        ),
        (CharLstm(), {"tokens": False}, "are numbers, and the network 'it' takes sequences of tokens"),
        (
            CharLstm(vocabulary=7, hidden=4),
            {"tokens": True},
            "tokens up to 7, and the network 'it' knows those below 7: set task.network.vocabulary: 8",
        ),
    ],
)
def test_text_and_numbers_are_told_apart(network, given, sentence):
    inputs = np.arange(8).reshape(2, 4)
    given = Samples(
        inputs=inputs if given["tokens"] else inputs.astype(np.float32), targets=np.array([0, 1]), **given
    )
    with pytest.raises(NetworkUnfit, match=sentence):
        try_batch("it", network, given, 3)


def test_text_passes():
    text = Samples(inputs=np.arange(8).reshape(2, 4), targets=np.array([0, 1]), tokens=True)
    for learn in ("last", "all"):
        try_batch("it", CharLstm(vocabulary=8, hidden=4, learn=learn), text, 3)
