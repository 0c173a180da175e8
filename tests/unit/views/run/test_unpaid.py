# SPDX-License-Identifier: Apache-2.0
"""Why somebody was not paid in a round, in words, and what that cost; in the report, the live view and the lines."""

from __future__ import annotations

import io

from bcfl.scenarios.outcome.summary import RoundAgreement, RoundSummary
from bcfl.scenarios.running.progress import RoundDone
from bcfl.views.run.board import Board, Row, watched
from bcfl.views.run.lines import LineView
from bcfl.views.run.unpaid import unpaid_in, unpaid_words

TOKEN = 10**18


def _round(number=1, **told):
    usual = {
        "global_loss": 1.0,
        "global_accuracy": 0.5,
        "scores": {"ann": 0.4, "ben": -0.1, "cia": 0.2, "eve": 0.0},
        "tokens": {"ann": str(2 * TOKEN), "cia": str(TOKEN)},
        "rejected": {"eve": "suspected", "cia": "not_selected"},
    }
    return RoundSummary(round=number, **(usual | told))


def test_everybody_with_an_update_and_without_pay_has_a_reason_and_what_others_got():
    found = {one.name: one for one in unpaid_in(_round())}
    assert set(found) == {"ben", "eve"}
    assert found["ben"].why == "its update made the model no better"
    assert found["eve"].why == "under suspicion: its updates made the model worse"
    assert found["ben"].others == 3 * TOKEN // 2


def test_an_update_left_out_of_the_model_and_worth_nothing_is_told_by_its_worth():
    (one,) = unpaid_in(_round(scores={"ann": 0.1}, tokens={"ann": "5"}, rejected={"cia": "not_selected"}))
    assert one.why == "its update made the model no better"


def test_a_word_that_is_not_known_is_told_as_it_stands():
    assert unpaid_in(_round(rejected={"zoe": "too_odd"}))[0].why == "too odd"


def test_a_round_that_paid_nobody_or_everybody_has_nothing_to_tell():
    assert unpaid_in(_round(tokens={})) == ()
    assert unpaid_in(_round(tokens=dict.fromkeys(("ann", "ben", "cia", "eve"), "1"))) == ()
    assert unpaid_in(_round(agreement=RoundAgreement(settled=True))) == ()


def test_sentences_are_counted_out():
    lines = unpaid_words([_round(1), _round(2)], most=3)
    assert lines[0] == (
        "eve was not paid in round 1: under suspicion: its updates made the model worse (others: 1.5000)"
    )
    assert lines[-1] == "… and 1 more"
    assert len(unpaid_words([_round(1), _round(2)], most=4)) == 4


def test_the_live_view_says_why_until_a_round_pays():
    board = Board(rows={name: Row(name=name, role="trainer") for name in ("ann", "ben")})
    after = watched(board, RoundDone(summary=_round()))
    assert (
        after.rows["ben"].unpaid == "round 1: not paid, its update made the model no better (others: 1.5000)"
    )
    assert after.rows["ann"].unpaid == ""
    paid = watched(after, RoundDone(summary=_round(2, tokens={"ben": "1"}, scores={"ben": 1.0}, rejected={})))
    assert paid.rows["ben"].unpaid == ""


def test_lines_name_them():
    stream = io.StringIO()
    LineView(stream).on_event(RoundDone(summary=_round()))
    assert "eve (under suspicion: its updates made the model worse)" in stream.getvalue()
