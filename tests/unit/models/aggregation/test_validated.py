# SPDX-License-Identifier: Apache-2.0
"""The trimmed mean is taken only where the evaluator's samples do not speak against it."""

from __future__ import annotations

import math

import pytest

from bcfl.models.aggregation.validated import ValidatedTrimmedMean
from bcfl.registry import InvalidParameters, create

# Trimmed to the middle two, 1.5; the mean is 3.
_UPDATES = [[0.0], [1.0], [2.0], [9.0]]
_TRIMMED, _MEAN = 1.5, 3.0


def _losses(trimmed, mean):
    return lambda vector: {_TRIMMED: trimmed, _MEAN: mean}[float(vector[0])]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("trimmed", "mean", "taken"),
    [
        (1.0, 1.0, _TRIMMED),
        (1.05, 1.0, _TRIMMED),
        (1.06, 1.0, _MEAN),
        (2.0, math.nan, _TRIMMED),
        (2.0, math.inf, _TRIMMED),
        (math.nan, 1.0, _MEAN),
        (math.nan, math.nan, _TRIMMED),
    ],
)
async def test_the_losses_decide(make, trimmed, mean, taken):
    made = make.round(_UPDATES, loss=_losses(trimmed, mean))
    found = await ValidatedTrimmedMean().aggregate(made)
    assert found.model.vector.tolist() == [taken]
    assert found.integers == (1, 1, 1, 1)


@pytest.mark.asyncio
async def test_where_nothing_is_cut_nothing_is_evaluated(make):
    asked = []
    found = await ValidatedTrimmedMean().aggregate(make.round(_UPDATES[:3], loss=asked.append))
    assert found.model.vector.tolist() == [1.0]
    assert asked == []


@pytest.mark.parametrize("parameters", [{"trim": 0.5}, {"slack": 0.9}, {"slack": math.inf}])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(InvalidParameters):
        create("aggregator", "validated_trimmed_mean", parameters)
