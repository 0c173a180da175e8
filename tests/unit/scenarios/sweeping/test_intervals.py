# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import statistics

import pytest

from bcfl.scenarios.sweeping.intervals import Observation, quantile, ratio


def seen(*values, seed=None):
    return [
        Observation(seed=place if seed is None else seed, value=value) for place, value in enumerate(values)
    ]


def test_a_ratio_pools_counts_and_is_the_mean_of_plain_values():
    pooled = ratio([Observation(seed=1, value=1, of=3), Observation(seed=2, value=3, of=3)])
    assert pooled.value == pytest.approx(4 / 6)
    assert ratio(seen(1.0, 2.0, 6.0)).value == pytest.approx(3.0)


def test_nothing_counted_is_no_estimate():
    assert ratio([]) is None
    assert ratio([Observation(seed=1, value=0, of=0)]) is None
    assert quantile([], 0.5) is None


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (0.5, 10), (0.94, 19), (0.95, 19), (0.951, 20), (1, 20)]
)
def test_a_quantile_is_the_least_value_that_the_share_does_not_exceed(share, expected):
    assert quantile(seen(*range(20, 0, -1)), share).value == expected


def test_never_is_infinite_and_counts():
    rounds = seen(1, 2, 2, math.inf)
    assert quantile(rounds, 0.5).value == 2
    assert quantile(rounds, 0.95).value == math.inf
    assert quantile(rounds, 0.95).high == math.inf


def test_one_seed_gives_no_width_however_many_observations_it_has():
    found = ratio(seen(*range(100), seed=5))
    assert (found.low, found.value, found.high) == (49.5, 49.5, 49.5)


def test_seeds_are_drawn_whole():
    # 2 seeds, each with 50 equal values: the mean of a draw is 0, 0.5 or 1, as of 2 observations and not of 100
    found = ratio([Observation(seed=place % 2, value=place % 2) for place in range(100)])
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def test_the_interval_of_a_mean_is_close_to_the_normal_one():
    values = [math.sin(17 * place) for place in range(60)]
    error = statistics.stdev(values) / math.sqrt(60)
    found = ratio(seen(*values))
    assert found.value - found.low == pytest.approx(1.96 * error, rel=0.1)
    assert found.high - found.value == pytest.approx(1.96 * error, rel=0.1)


def test_intervals_repeat():
    assert ratio(seen(3.0, 1.0, 2.0)) == ratio(seen(3.0, 1.0, 2.0))
