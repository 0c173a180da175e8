# SPDX-License-Identifier: Apache-2.0
"""Federated averaging is the fold by claimed samples, positive scores or ones."""

from __future__ import annotations

import math

import pytest

from bcfl.models.aggregation.fedavg import FedAvg
from bcfl.models.aggregation.fold import INTEGER_LIMIT, fold
from bcfl.models.errors import InvalidFold
from bcfl.registry import InvalidParameters, UnknownEntry, create


def test_numbers_of_samples_stay_as_they_are():
    assert FedAvg().integer_weights(samples=[12_000, 0, 7], scores=[]) == (12_000, 0, 7)
    assert FedAvg().game_weights([12_000, 0, 7]) == (12_000, 0, 7)


def test_unweighted_is_one_each_whatever_is_claimed():
    assert FedAvg(by="unweighted").integer_weights(samples=[5, 10**9], scores=[1.0, -1.0]) == (1, 1)
    assert FedAvg(by="unweighted").game_weights([5, 10**9]) == (1, 1)


def test_by_score_the_negative_have_no_weight():
    first, second, third = FedAvg(by="score").integer_weights(samples=[1, 1, 1], scores=[0.25, -3.0, 0.125])
    assert second == 0
    assert first == 2 * third
    assert INTEGER_LIMIT / 2 <= first < INTEGER_LIMIT


def test_before_scores_are_known_they_count_the_same_for_all():
    assert FedAvg(by="score").game_weights([5, 0, 10**9]) == (1, 1, 1)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_scores_that_are_no_weights_are_refused(score):
    with pytest.raises(InvalidFold):
        FedAvg(by="score").integer_weights(samples=[1], scores=[score])


def test_only_known_parameters_are_taken():
    assert create("aggregator", "fedavg", {"by": "score"}) == FedAvg(by="score")
    with pytest.raises(InvalidParameters):
        create("aggregator", "fedavg", {"by": "luck"})
    with pytest.raises(UnknownEntry, match="nearest is 'clipping'"):
        create("aggregator", "fedavg", {"before": ["cliping"]})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("by", "integers"), [("samples", (3, 1, 2)), ("score", (0, 2**28, 2**27)), ("unweighted", (1, 1, 1))]
)
async def test_the_model_is_the_fold_of_the_updates_bit_for_bit(make, by, integers):
    made = make.round([[0.1, 7], [0.3, -1], [5, 5]], samples=[3, 1, 2], scores=[-1.0, 0.5, 0.25])
    found = await FedAvg(by=by).aggregate(made)
    assert found.integers == integers
    assert found.model.vector.tobytes() == fold(made.updates, integers).vector.tobytes()


@pytest.mark.asyncio
async def test_when_nobody_counts_the_model_is_kept(make):
    made = make.round([[1.0], [2.0]], start=[5], scores=[-1.0, 0.0])
    for before in ((), ("nnm",)):
        found = await FedAvg(by="score", before=before).aggregate(made)
        assert found.integers == (0, 0)
        assert found.model is made.start


@pytest.mark.asyncio
async def test_an_update_of_weight_zero_is_left_out_of_the_mixing_too(make):
    made = make.round([[1.0], [2.0], [900.0]], samples=[1, 3, 2], scores=[0.5, 0.5, -1.0])
    found = await FedAvg(by="score", before=({"name": "bucketing", "size": 3},)).aggregate(made)
    assert found.model.vector.tolist() == [1.5]
    assert found.integers[0] == found.integers[1] > 0
    assert found.integers[2] == 0


@pytest.mark.asyncio
async def test_a_bucket_weighs_as_much_as_its_members_together(make):
    made = make.round([[1.0], [2.0], [4.0]], samples=[1, 3, 4])
    found = await FedAvg(before=({"name": "bucketing", "size": 2},)).aggregate(made)
    assert fold(made.updates, found.integers).vector == pytest.approx(found.model.vector)
    alone = found.integers.index(max(found.integers))  # in the bucket of one
    mean = (sum([1, 2, 4]) - [1, 2, 4][alone]) / 2
    weight = [1, 3, 4][alone]
    assert found.model.vector[0] == pytest.approx((weight * [1, 2, 4][alone] + (8 - weight) * mean) / 8)
