# SPDX-License-Identifier: Apache-2.0
"""What an evaluator owes the one before it: to look, and to clear whoever did what it should."""

from __future__ import annotations

import pytest

from bcfl.agents.crowdsourcing.objecting.clearing import Reexamine, decide_clearing
from bcfl.agents.crowdsourcing.objecting.evaluation_check import CheckEvaluation
from bcfl.agents.runtime.actions import View
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.phases import CancelReason, Phase


def _wants(state, results=(), *, place=1, final=None):
    return list(decide_clearing(View(seen=state, final=final, now=0), state, place, dict(results)))


@pytest.fixture
def accused(story):
    """Evaluator 0 is accused of round 1, evaluator 1 has succeeded it."""
    tale = story(evaluators=2).enrol(3)
    account = "0x" + "0" * 40
    tale.tell(e.EvaluatorBonded, evaluator=1, account=account, bond=900, validation_commitment=b"")
    tale.start().commit(0, 1, 2).submit(0, "a").submit(1, "b").submit(2, "c")
    tale.phase(Phase.EVALUATION).evaluate([1, 0, 0], 900).finalise("doubted").start(2)
    return tale.tell(e.EvaluationReverted, round=1, evaluator=0, successor=1, accused=True)


def _check(state):
    record = state.rounds[1]
    check = CheckEvaluation(
        round=1, task=state.address, model=record.model, report=record.report, state=state
    )
    return Reexamine(round=1, check=check)


def test_it_looks_and_clears_whom_it_finds_innocent(accused):
    state = accused.state
    assert _wants(state, final=state) == [_check(state)]
    check, clear = _wants(state, {_check(state): True}, final=state)
    assert check == _check(state)
    assert clear.call == calls.clear(state.address, evaluator=0)


def test_it_leaves_the_guilty_alone(accused):
    state = accused.state
    assert _wants(state, {_check(state): False}, final=state) == [_check(state)]


def test_it_waits_until_the_accusation_cannot_be_undone(accused, story):
    assert _wants(accused.state) == []
    before = story(evaluators=2).enrol(3).start().state
    assert _wants(accused.state, final=before) == []


def test_nobody_but_the_successor_clears_and_once(accused):
    state = accused.state
    assert _wants(state, {_check(state): True}, place=0, final=state) == []
    cleared = accused.tell(e.EvaluatorCleared, evaluator=0).state
    assert _wants(cleared, {_check(state): True}, final=cleared) == []


def test_it_clears_after_the_end_too(accused):
    """The end may come at once, in the transaction that accuses."""
    accused.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)
    state = accused.state
    assert len(_wants(state, {_check(state): True}, final=state)) == 2


def test_it_looks_while_trainers_do_and_remembers_what_was_withheld_from_them(story):
    tale = story(evaluators=2).enrol(3)
    account = "0x" + "0" * 40
    tale.start().commit(0, 1, 2).submit(0, "a").submit(1, "b").submit(2, "c")
    tale.phase(Phase.EVALUATION).evaluate([1, 0, 0], 900).finalise("doubted").start(2)
    assert _wants(tale.state, final=tale.state) == [], "it is not bound"
    tale.tell(e.EvaluatorBonded, evaluator=1, account=account, bond=900, validation_commitment=b"")
    looked = _check(tale.state)
    assert _wants(tale.state, final=tale.state) == [looked]
    assert _wants(tale.state, place=0, final=tale.state) == [], "nobody looks at its own"
    state = tale.tell(e.EvaluationReverted, round=1, evaluator=0, successor=1, accused=True).state
    assert _wants(state, {looked: False}, final=state) == [looked], "the same work: it is not done again"
