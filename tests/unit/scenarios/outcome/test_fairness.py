# SPDX-License-Identifier: Apache-2.0
"""How the honest fared: what counts as refused, and the ratios and ranks of pay."""

from __future__ import annotations

import pytest

from bcfl.scenarios.outcome.fairness import (
    best_pay,
    equal_pay,
    fairness_of,
    least_pay,
    rank_correlation,
    smallest_pay,
)
from bcfl.scenarios.outcome.summary import RoundSummary
from bcfl.scenarios.outcome.summary_fairness import Fairness

TOKEN = 10**18


def _round(number, **told):
    return RoundSummary(round=number, global_loss=1.0, global_accuracy=0.5, **told)


def _paid(samples=None, **pay):
    return Fairness(pay={name: str(tokens * TOKEN) for name, tokens in pay.items()}, samples=samples or {})


def test_refused_is_who_was_neither_in_the_model_nor_paid():
    rounds = [
        _round(1, rejected={"ann": "not_selected", "ben": "copied", "eve": "no_new_work"}),
        _round(2, rejected={"ann": "suspected", "cia": "not_revealed"}, suspended=("ben",)),
    ]
    found = fairness_of(
        rounds,
        revealed={1: {"ann", "ben", "cia", "eve"}, 2: {"ann", "ben", "eve"}},
        earned={"ann": 2, "ben": 1, "cia": 3},
        samples={"ann": 10, "eve": 10},
    )
    assert (found.updates, found.refused) == (5, 2)
    assert (found.first_updates, found.first_refused) == (3, 1)
    assert found.suspended == 1
    assert found.samples == {"ann": 10}
    assert found.pay["cia"] == str(3 * 10**9)


def test_equal_pay_is_one_and_luck_is_not():
    assert (least_pay(_paid(a=3, b=3)), best_pay(_paid(a=3, b=3))) == (1, 1)
    assert (least_pay(_paid(a=0, b=1, c=2)), best_pay(_paid(a=0, b=1, c=2))) == (0, 2)
    assert least_pay(_paid(a=0, b=0)) is None
    assert best_pay(Fairness()) is None


def test_equals_are_those_with_equally_many_samples():
    sizes = {"a": 8, "b": 1, "c": 1}
    assert equal_pay(_paid(sizes, a=9, b=2, c=3)) == pytest.approx(1.5)
    assert equal_pay(_paid(sizes, a=9, b=2, c=0)) == float("inf")
    assert equal_pay(_paid({"a": 8, "b": 1}, a=9, b=2)) is None
    assert equal_pay(_paid(a=1, b=2)) is None


def test_pay_that_follows_the_data_has_rank_correlation_one():
    sizes = {"a": 8, "b": 4, "c": 1, "d": 1}
    assert rank_correlation(_paid(sizes, a=80, b=41, c=9, d=9)) == pytest.approx(1)
    assert rank_correlation(_paid(sizes, a=9, b=10, c=50, d=50)) == pytest.approx(-1)
    # ties share their rank: 1.5 and 1.5 against 1 and 2
    assert rank_correlation(_paid(sizes, a=80, b=41, c=9, d=8)) == pytest.approx(0.9486833)
    assert rank_correlation(_paid(dict.fromkeys("abcd", 5), a=1, b=2, c=3, d=4)) is None


def test_the_smallest_are_told_only_where_sizes_differ_and_are_known():
    sizes = {"a": 8, "b": 1, "c": 1}
    assert smallest_pay(_paid(sizes, a=9, b=2, c=3)) == 5 * TOKEN
    assert smallest_pay(_paid({"a": 8, "b": 1}, a=9, b=2, c=3)) is None
    assert smallest_pay(_paid(dict.fromkeys("abc", 5), a=9, b=2, c=3)) is None
