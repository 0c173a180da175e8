# SPDX-License-Identifier: Apache-2.0
"""A specification's bytes, which its digest on chain is of."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bcfl.contracts.errors import MalformedSpecification
from bcfl.contracts.specification import EntryReference, Specification

SPECIFICATION = Specification(
    title="Ziffern – №1",
    network=EntryReference("mlp", {"hidden": 16, "inputs": 784}),
    training={"learning_rate": 0.05, "epochs": 2},
    score=EntryReference("shapley"),
    aggregator=EntryReference("fedavg", {"by": "score"}),
    tensors=(("fc1.weight", (16, 784)), ("fc1.bias", (16,)), ("scale", ())),
)


def test_it_survives_encoding():
    assert Specification.decode(SPECIFICATION.encode()) == SPECIFICATION


def test_equal_specifications_have_the_same_bytes_whatever_the_order_of_their_parameters():
    turned = dataclasses.replace(
        SPECIFICATION,
        network=EntryReference("mlp", {"inputs": 784, "hidden": 16}),
        training={"epochs": 2, "learning_rate": 0.05},
    )
    assert turned.encode() == SPECIFICATION.encode()


def test_the_order_of_tensors_counts():
    turned = dataclasses.replace(SPECIFICATION, tensors=SPECIFICATION.tensors[::-1])
    assert turned.encode() != SPECIFICATION.encode()


def test_how_long_contents_are_kept_is_stated_only_where_they_are_not_kept_for_good():
    assert b"retention" not in SPECIFICATION.encode()
    assert SPECIFICATION.judged_anew is None
    for models, updates, anew in ((None, 3, 3), (3, None, 2), (3, 9, 2), (9, 2, 2)):
        kept = dataclasses.replace(SPECIFICATION, kept_models=models, kept_updates=updates)
        assert kept.judged_anew == anew
    kept = dataclasses.replace(SPECIFICATION, kept_updates=3)
    assert json.loads(kept.encode())["retention"] == {"models": None, "updates": 3}
    assert Specification.decode(kept.encode()) == kept


def test_what_computes_is_stated_only_where_it_is_not_torch():
    assert b"kernel" not in SPECIFICATION.encode()
    lanes = dataclasses.replace(SPECIFICATION, kernel="lanes")
    assert Specification.decode(lanes.encode()) == lanes


def test_on_how_much_what_is_only_reported_is_measured_is_stated_only_where_it_is_not_all():
    assert b"reported_samples" not in SPECIFICATION.encode()
    for count in (0, 512):
        few = dataclasses.replace(SPECIFICATION, reported_samples=count)
        assert Specification.decode(few.encode()) == few


def _changed(**changes):
    return json.dumps({**json.loads(SPECIFICATION.encode()), **changes}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        _changed(schema="bcfl-specification/2"),
        _changed(network={"name": "mlp"}),
        _changed(network=None),
        _changed(training=7),
        _changed(retention={"models": 1}),
        _changed(retention={"updates": "all"}),
        _changed(retention=7),
        _changed(reported_samples=-1),
        _changed(reported_samples="all"),
        _changed(tensors=[["w"]]),
        _changed(tensors=[["w", [1e999]]]),
        _changed(tensors=[["w", [10**400]]]),
        _changed(tensors=[["w", [-2, -2]]]),
        _changed(tensors=[["w", [1] * 17]]),
        _changed(tensors=3),
        _changed(sample_limit=1e999),
        _changed(score_tolerance="small"),
    ],
)
def test_what_is_no_specification_is_refused_by_name(data):
    with pytest.raises(MalformedSpecification):
        Specification.decode(data)
