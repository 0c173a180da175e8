# SPDX-License-Identifier: Apache-2.0
"""Strikes, suspicion, suspension, ejection and parole, round by round."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bcfl.models.defences.defence import Fault
from bcfl.models.defences.reputation import Clerk, unlikely

CLERK = Clerk(watch=2.0, condemn=4.0, strikes=2, memory=5, suspension=3, misses=3, paroles=1)


def _round(
    number, standings=None, *, evidence=None, certain=None, doubtful=None, absent=(), suspended=(), due=10
):
    return CLERK.decide(
        number,
        standings or {},
        evidence=evidence or {},
        certain=certain or {},
        doubtful=doubtful or {},
        absent=frozenset(absent),
        due=due,
        suspended=frozenset(suspended),
    )


def test_a_certain_fault_suspends_at_once_and_ejects_one_round_later():
    first = _round(1, certain={3: Fault.COPIED})
    assert first.suspend == {3: (3, Fault.COPIED)}
    assert first.eject == {}
    second = _round(2, first.standings, suspended=[3])
    assert second.eject == {3: Fault.COPIED}


def test_one_doubtful_strike_is_forgiven_two_near_each_other_are_not():
    first = _round(1, doubtful={3: Fault.NO_NEW_WORK})
    assert first.suspend == {}
    again = _round(4, first.standings, doubtful={3: Fault.NO_NEW_WORK})
    assert again.suspend == {3: (3, Fault.NO_NEW_WORK)}
    late = _round(6, first.standings, doubtful={3: Fault.NO_NEW_WORK})
    assert late.suspend == {}


def test_suspicion_grows_is_watched_and_condemns():
    first = _round(1, evidence={0: 2.5, 1: -3.0})
    assert first.watched == {0}
    assert first.suspend == {}
    second = _round(2, first.standings, evidence={0: 2.5, 1: 1.5})
    assert second.suspend == {0: (3, Fault.HARMFUL)}
    assert 1 not in second.watched


def test_good_work_clears_suspicion():
    first = _round(1, evidence={0: 3.0})
    second = _round(2, first.standings, evidence={0: -3.0})
    assert second.watched == set()
    assert second.standings[0].suspicion == 0


def test_who_could_not_be_ejected_comes_back_under_watch():
    condemned = _round(1, certain={3: Fault.COPIED}).standings
    back = _round(5, condemned, evidence={3: -0.5})
    assert back.eject == {}
    assert not back.standings[3].condemned
    assert back.standings[3].paroled == 1


def test_who_keeps_missing_is_sent_out_paroled_and_at_last_ejected():
    standings = {}
    for number in (1, 2):
        decision = _round(number, standings, absent=[7])
        assert decision.suspend == {}
        standings = decision.standings
    out = _round(3, standings, absent=[7])
    assert out.suspend == {7: (3, Fault.ABSENT)}
    assert _round(4, out.standings, suspended=[7]).eject == {}
    standings = out.standings
    for number in (7, 8, 9):
        decision = _round(number, standings, absent=[7])
        standings = decision.standings
    assert decision.suspend == {7: (3, Fault.ABSENT)}
    assert _round(10, standings, suspended=[7]).eject == {7: Fault.ABSENT}


@pytest.mark.parametrize(
    ("rate", "misses"), [(0.0, 0), (0.01, 2), (0.04, 3), (0.1, 4), (0.2, 5), (0.6, 6), (1.0, 6)]
)
def test_how_many_misses_chance_does_not_explain(rate, misses):
    assert unlikely(5, rate) == misses


def test_who_misses_no_more_than_the_others_is_not_sent_out():
    rng = np.random.default_rng(4)
    standings: dict = {}
    out: Counter = Counter()
    for number in range(1, 21):
        away = [index for index in range(500) if rng.random() < 0.2]
        decision = _round(number, standings, absent=[*away, 999], due=501)
        standings = decision.standings
        out.update(list(decision.suspend))
    assert out[999] >= 3, "who is never there is, in every window of rounds"
    assert sum(index != 999 for index in out) <= 10, "of 500 over twenty rounds"


@pytest.mark.parametrize(
    ("members", "present", "most"), [(10, 0.8, 0.05), (20, 0.8, 0.03), (100, 0.5, 0.0), (100, 0.3, 0.0)]
)
def test_in_twenty_rounds_hardly_anybody_is_sent_out_for_what_all_do(members, present, most):
    rng, sent, runs = np.random.default_rng(9), 0, 10
    for _ in range(runs):
        standings: dict = {}
        out: set = set()
        for number in range(1, 21):
            away = [index for index in range(members) if rng.random() >= present]
            decision = _round(number, standings, absent=away, due=members)
            standings = decision.standings
            out |= decision.suspend.keys()
        sent += len(out)
    assert sent <= most * members * runs


def test_what_the_others_missed_counts_over_all_remembered_rounds():
    standings: dict = {}
    for number in (1, 2, 3, 4):
        decision = _round(number, standings, absent=[7, *range(5)] if number < 4 else [7], due=10)
        standings = decision.standings
        assert decision.suspend == {}, "half of the others were away as well, though nobody is now"


def test_a_single_miss_now_and_then_costs_nothing():
    standings = {}
    for number in (1, 4, 7, 10, 13):
        decision = _round(number, standings, absent=[7])
        standings = decision.standings
        assert decision.suspend == {}
