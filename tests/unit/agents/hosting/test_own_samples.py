# SPDX-License-Identifier: Apache-2.0
"""Somebody's own samples beside a task: classes by their numbers, shapes, and how many there are."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from bcfl.agents.hosting.own_samples import by_number, check_samples, check_task, joined
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.errors import RegistryError
from bcfl.models.data.dataset import Samples
from bcfl.models.errors import KernelUnavailable, NetworkUnfit
from bcfl.models.networks.mlp import Mlp


def _samples(count=6, numbers=4, classes=2):
    rng = np.random.default_rng(0)
    return Samples(
        inputs=rng.normal(size=(count, numbers)).astype(np.float32),
        targets=np.arange(count, dtype=np.int64) % classes,
    )


def test_who_lacks_a_class_does_not_shift_the_others():
    samples = by_number(_samples(classes=3), ("0", "2", "5"))
    assert samples.targets.tolist() == [0, 2, 5, 0, 2, 5]


@pytest.mark.parametrize("labels", [(), ("no", "yes"), ("1.5", "2"), ("-1", "1")])
def test_words_stay_in_their_order(labels):
    samples = _samples()
    assert by_number(samples, labels) is samples


def test_both_parts_are_somebody_s_own():
    first, second = _samples(4), _samples(3)
    both = joined(first, second)
    assert len(both) == 7
    assert both.targets.tolist() == [*first.targets, *second.targets]


def test_samples_that_fit_are_taken():
    check_samples(_samples(), "mlp", Mlp(inputs=4, classes=2), most_bytes=10**6)
    check_samples(
        _samples(), "mlp", Mlp(inputs=4, classes=5), most_bytes=10**6
    )  # somebody need not have every class


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (_samples(numbers=5), "5"),
        (_samples(classes=3), "3 classes"),
        (_samples(count=0), "no samples"),
    ],
)
def test_samples_that_do_not_fit_are_refused_in_a_sentence(samples, sentence):
    with pytest.raises(NetworkUnfit, match=sentence):
        check_samples(samples, "mlp", Mlp(inputs=4, classes=2), most_bytes=10**6)


def test_a_network_that_is_larger_than_an_update_may_be_is_not_built():
    with pytest.raises(NetworkUnfit, match="takes updates of 64 at most"):
        check_samples(_samples(), "mlp", Mlp(inputs=4, classes=2, hidden=10**6), most_bytes=64)


def _terms(**given):
    network = Mlp(inputs=4, classes=2)
    return Specification(
        title="t",
        network=EntryReference("mlp", {"inputs": 4, "classes": 2}),
        training={"learning_rate": 0.1, **given.pop("training", {})},
        score=EntryReference("loo"),
        aggregator=EntryReference("fedavg"),
        tensors=tuple((tensor.name, tensor.shape) for tensor in network.schema().tensors),
        **given,
    )


def test_a_task_by_a_kernel_that_this_machine_does_not_have_is_passed():
    config = SimpleNamespace(max_update_size=10**6)
    check_task(_samples(), _terms(), config)
    check_task(_samples(), _terms(kernel="lanes"), config)
    with pytest.raises(KernelUnavailable, match="'cobwebs', which this bcfl does not have"):
        check_task(_samples(), _terms(kernel="cobwebs"), config)
    with pytest.raises(KernelUnavailable, match="not by adam"):
        check_task(_samples(), _terms(kernel="lanes", training={"optimizer": "adam"}), config)
    with pytest.raises(NetworkUnfit, match="other tensors"):
        check_task(_samples(), dataclasses.replace(_terms(), tensors=(("a", (1,)),)), config)


def test_a_task_whose_codec_is_not_known_here_is_passed_before_anything_is_at_stake():
    config = SimpleNamespace(max_update_size=10**6)
    check_task(_samples(), _terms(codec=EntryReference("top_k", {"share": 0.1})), config)
    for codec in (EntryReference("int5"), EntryReference("top_k", {"share": 2.0})):
        with pytest.raises(RegistryError):
            check_task(_samples(), _terms(codec=codec), config)
