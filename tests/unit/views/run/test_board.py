# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from functools import reduce

import pytest

from bcfl.scenarios.running.progress import (
    AgentChanged,
    GasUsed,
    PhaseChanged,
    RoundDone,
    RunEnded,
    RunStarted,
)
from bcfl.views.run.board import Board, watched

TOKEN = 10**18


@pytest.fixture
def started(scenario) -> Board:
    return watched(Board(), RunStarted(scenario=scenario, trainers=("bob", "charlie"), evaluators=("alice",)))


def test_everybody_waits_at_the_start_the_evaluators_first(started):
    assert [(row.name, row.role, row.activity) for row in started.rows.values()] == [
        ("alice", "evaluator", "waiting"),
        ("bob", "trainer", "waiting"),
        ("charlie", "trainer", "waiting"),
    ]
    assert (started.rounds, started.settled) == (2, 0)


def test_an_agents_loss_stays_until_it_has_another(started):
    board = reduce(
        watched,
        [
            AgentChanged(name="bob", role="trainer", activity="trained", loss=0.4),
            AgentChanged(name="bob", role="trainer", activity="committed"),
        ],
        started,
    )
    assert (board.rows["bob"].activity, board.rows["bob"].loss) == ("committed", 0.4)
    assert board.counted("trainer", "committed") == 1


def test_gas_adds_up_by_role(started):
    board = reduce(
        watched,
        [GasUsed(role="trainer", gas=2), GasUsed(role="trainer", gas=3), GasUsed(role="keeper", gas=1)],
        started,
    )
    assert board.gas == {"trainer": 5, "keeper": 1}


def test_tokens_add_up_over_rounds_and_scores_are_the_last(started, summary):
    board = reduce(watched, [RoundDone(summary=done) for done in summary.rounds], started)
    assert board.rows["bob"].tokens == 14 * TOKEN // 10
    assert board.rows["bob"].score == 0.2
    assert (board.settled, board.loss) == (2, 0.2)


def test_who_was_ejected_is_shown_as_that(started, summary):
    done = summary.rounds[0].model_copy(update={"ejected": ("charlie",), "suspended": ("bob",)})
    board = watched(started, RoundDone(summary=done))
    assert (board.rows["charlie"].activity, board.rows["bob"].activity) == ("ejected", "suspended")


def test_why_and_since_when_somebody_is_out_is_kept(started, judged):
    board = reduce(watched, [RoundDone(summary=done) for done in judged.rounds], started)
    assert board.rows["bob"].verdict == "round 2: made the model worse"
    assert board.rows["charlie"].verdict == ""


def test_who_trains_again_is_no_longer_suspended(started, judged):
    board = watched(started, RoundDone(summary=judged.rounds[0]))
    assert board.rows["bob"].verdict == "round 1: made the model worse"
    board = watched(board, AgentChanged(name="bob", role="trainer", activity="training"))
    assert (board.rows["bob"].activity, board.rows["bob"].verdict) == ("training", "")


def test_the_end_keeps_the_summary(started, summary):
    board = reduce(watched, [PhaseChanged(round=2, phase="Closing"), RunEnded(summary=summary)], started)
    assert board.summary == summary
    assert board.phase == "completed"


def test_folding_does_not_change_the_board_before(started):
    watched(started, AgentChanged(name="bob", role="trainer", activity="training"))
    assert started.rows["bob"].activity == "waiting"


# --- a consortium ---------------------------------------------------------------------------------------------


@pytest.fixture
def assembled(hospitals) -> Board:
    return watched(Board(), RunStarted(scenario=hospitals, trainers=("m-0", "m-1"), evaluators=()))


def test_members_are_neither_trainers_nor_evaluators(assembled):
    assert [(row.name, row.role) for row in assembled.rows.values()] == [("m-0", "member"), ("m-1", "member")]


def test_members_judge_where_evaluators_score(assembled, started):
    changes = [AgentChanged(name="m-0", role="member", activity=what) for what in ("scoring", "scored")]
    seen = [watched(assembled, change).rows["m-0"].activity for change in changes]
    assert seen == ["judging", "judged"]
    evaluator = AgentChanged(name="alice", role="evaluator", activity="scoring")
    assert watched(started, evaluator).rows["alice"].activity == "scoring"


def test_until_the_end_the_quality_is_what_members_measured_a_round_before(assembled, consortium):
    summary = consortium(2)
    running = summary.rounds[0].model_copy(update={"global_loss": None, "global_accuracy": None})
    board = watched(assembled, RoundDone(summary=running))
    assert (board.loss, board.accuracy, board.before) == (pytest.approx(0.5), 0.75, True)
    ended = watched(board, RunEnded(summary=summary))
    assert (ended.loss, ended.before) == (summary.final.loss, False)


def test_a_measure_that_nobody_has_is_left_out(assembled, consortium):
    silent = (
        consortium(2)
        .rounds[0]
        .agreement.model_copy(update={"judged_loss": {"m-0": None}, "judged_accuracy": {}})
    )
    done = consortium(2).rounds[0].model_copy(update={"global_loss": None, "agreement": silent})
    board = watched(assembled, RoundDone(summary=done))
    assert (board.loss, board.accuracy) == (None, None)


def test_tokens_are_those_for_training_and_for_judging(assembled, consortium):
    board = reduce(watched, [RoundDone(summary=done) for done in consortium(2).rounds], assembled)
    assert board.rows["m-1"].tokens == 2 * (TOKEN + TOKEN // 4)
