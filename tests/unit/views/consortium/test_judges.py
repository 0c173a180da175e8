# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.state import TaskState
from bcfl.views.consortium.judges import Fault, JudgeRecord, judges_of, who_judged_whom, why

TOKEN = 10**18


@pytest.fixture
def state(told) -> TaskState:
    return fold(first_state(told[0]), told[1:])


def test_every_round_without_pay_has_its_cause(state):
    faults = {index: dict(judge.faults) for index, judge in judges_of(state).items()}
    assert faults == {
        0: {Fault.TOO_FEW: 1},
        1: {Fault.NOT_JUDGED: 1, Fault.TOO_FAR: 1},
        2: {Fault.NOT_JUDGED: 1, Fault.OTHER_PROBE: 1},
        3: {Fault.NOT_JUDGED: 1, Fault.NOT_OPENED: 1},
    }


def test_pay_stands_beside_the_most_that_a_judge_can_get(state):
    judges = judges_of(state)
    assert [judge.most for judge in judges.values()] == [300 * TOKEN] * 4
    assert judges[0].paid == sum(record.evaluation_pay.get(0, 0) for record in state.rounds.values()) * 10**9
    assert 0 < judges[3].paid < judges[0].paid <= judges[0].most


def test_only_scores_that_counted_have_a_distance(state):
    assert [len(judge.distances) for judge in judges_of(state).values()] == [2, 2, 2, 1]


def test_causes_are_told_in_a_phrase(state):
    judges = judges_of(state)
    assert why(judges[0]) == "too few judged in 1 of 3 rounds"
    assert why(judges[1]) == "too far from what was settled in 1 of 3 rounds; no scores in 1 of 3 rounds"


def test_who_was_always_paid_has_no_causes():
    assert why(JudgeRecord(rounds=3, paid=1, most=1)) == ""


def test_a_judges_shares_leave_room_for_its_own(state):
    shares = who_judged_whom(state)
    first = state.rounds[1]
    assert list(shares) == [0, 1, 2, 3]
    for judge, row in shares.items():
        assert sum(row.values()) == pytest.approx(1)
        assert set(row) == {0, 1, 2, 3}, judge
    settled = [first.scores[0] / 1e9, state.rounds[3].scores[0] / 1e9]
    assert shares[0][0] == pytest.approx(sum(settled) / 2)
    assert shares[0][1] == pytest.approx(0.6 * (1 - shares[0][0]))


def test_rounds_that_were_split_equally_do_not_count(state):
    only = dataclasses.replace(state, rounds={2: state.rounds[2]})
    assert who_judged_whom(only) == {}
