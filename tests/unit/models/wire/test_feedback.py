# SPDX-License-Identifier: Apache-2.0
"""What a codec leaves out comes with the next update, and once."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.weights import Weights
from bcfl.models.wire.codecs import TopK
from bcfl.models.wire.feedback import ErrorFeedback
from bcfl.models.wire.packed import Packing

START = initial_weights(Mlp(inputs=8, classes=4, hidden=8), 1)
PACKING = Packing(codec=TopK(share=0.2), start=START)


def _trained(seed):
    step = np.random.default_rng(seed).normal(size=START.vector.shape).astype(np.float32)
    return Weights(START.schema, START.vector + step)


def _always(_number):
    return True


def _never(_number):
    return False


def _received(weights):
    return PACKING.decode(PACKING.encode(weights, {}))[0].vector - START.vector


def test_in_the_end_all_of_it_has_arrived_but_for_the_last_rest():
    feedback, given, received = ErrorFeedback(), 0, 0
    for number in range(1, 30):
        weights = _trained(number)
        given = given + weights.vector - START.vector
        received = received + _received(feedback.added(weights, PACKING, number=number, arrived=_always))
    plain = sum(_received(_trained(number)) for number in range(1, 30))
    assert np.linalg.norm(given - received) < 0.5 * np.linalg.norm(given - plain)


def test_the_first_update_is_as_it_was_trained():
    assert (
        ErrorFeedback().added(_trained(1), PACKING, number=1, arrived=_always).digest()
        == _trained(1).digest()
    )


def test_what_an_update_left_out_that_was_never_handed_in_is_not_added():
    feedback = ErrorFeedback()
    first = feedback.added(_trained(1), PACKING, number=1, arrived=_always)
    feedback.added(_trained(2), PACKING, number=2, arrived=_always)
    third = feedback.added(_trained(3), PACKING, number=3, arrived=lambda number: number != 2)
    expected = _trained(3).vector + PACKING.lost(first).vector
    assert third.vector == pytest.approx(expected)


def test_a_round_that_is_done_again_counts_once():
    feedback, again = ErrorFeedback(), ErrorFeedback()
    for one in (feedback, again):
        one.added(_trained(1), PACKING, number=1, arrived=_always)
    once = feedback.added(_trained(2), PACKING, number=2, arrived=_always)
    again.added(_trained(9), PACKING, number=2, arrived=_always)
    assert again.added(_trained(2), PACKING, number=2, arrived=_always).digest() == once.digest()


def test_of_one_that_never_arrives_nothing_is_owed():
    feedback = ErrorFeedback()
    for number in (1, 2, 3):
        weights = _trained(number)
        assert feedback.added(weights, PACKING, number=number, arrived=_never).digest() == weights.digest()
