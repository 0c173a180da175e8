# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass

import pytest

from bcfl.agents.runtime.actions import Work
from bcfl.agents.runtime.results import RecentResults


@dataclass(frozen=True, kw_only=True)
class Job(Work[str]):
    name: str = "job"


@pytest.fixture
def results():
    kept = RecentResults()
    kept.final(5)
    kept.keep(Job(round=5), "done")
    return kept


def test_what_was_kept_comes_back(results):
    assert Job(round=5) in results
    assert results[Job(round=5)] == results.get(Job(round=5)) == "done"
    assert results.get(Job(round=6)) is None
    assert Job(round=6) not in results
    assert list(results) == [Job(round=5)]


def test_what_nobody_asks_for_is_forgotten_two_rounds_later(results):
    results.final(6)
    assert len(results) == 1, "a reorganisation may bring its round back"
    results.final(7)
    assert len(results) == 0


@pytest.mark.parametrize(
    "ask", [lambda kept, work: kept[work], lambda kept, work: kept.get(work), lambda kept, work: work in kept]
)
def test_what_is_asked_for_every_round_stays(results, ask):
    for number in range(6, 20):
        results.final(number)
        ask(results, Job(round=5))
    assert len(results) == 1


def test_looking_through_all_asks_for_none(results):
    for number in range(6, 8):
        results.final(number)
        assert all(work.round == 5 for work in results)
    assert len(results) == 0


def test_a_round_that_comes_again_forgets_nothing(results):
    results.final(3)
    results.final(5)
    assert len(results) == 1
