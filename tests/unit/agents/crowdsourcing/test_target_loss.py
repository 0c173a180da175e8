# SPDX-License-Identifier: Apache-2.0
"""A publisher ends its task once a model is good enough, when nobody can object to it any more, and not before."""

from __future__ import annotations

import pytest

from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.crowdsourcing.target_loss import ReadLoss, TargetLoss, decide_stop
from bcfl.agents.runtime.actions import View, Work
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.phases import Phase
from bcfl.storage.content_id import content_id
from bcfl.storage.memory import MemoryStore


def view(tale):
    return View(seen=None, final=tale.state, now=0)


@pytest.fixture
def second(story):
    """A task in the second round's reveal phase; the first was evaluated."""
    tale = story().enrol(2)
    tale.start(1).commit(0, 1).phase(Phase.REVEAL).submit(0, "a").submit(1, "b")
    tale.phase(Phase.EVALUATION).evaluate([5, 5], payout=10)
    tale.finalise("better", payout=10)
    return tale.start(2).commit(0).phase(Phase.REVEAL)


def read(tale):
    return ReadLoss(round=1, report=tale.state.rounds[1].report)


def test_it_reads_what_the_report_says_first(second):
    assert decide_stop(view(second), 0.5, {}) == [read(second)]


@pytest.mark.parametrize(
    ("loss", "ends"), [(0.4, True), (0.5, True), (0.51, False), (None, False), (float("nan"), False)]
)
def test_it_ends_the_task_at_the_target(second, loss, ends):
    wanted = decide_stop(view(second), 0.5, {read(second): loss})
    assert wanted[0] == read(second)
    assert len(wanted) == 1 + ends
    if ends:
        assert (wanted[1].round, wanted[1].name) == (1, "cancel")
        assert wanted[1].call == calls.cancel(second.state.address)


def test_it_waits_while_somebody_may_object(second):
    assert decide_stop(view(second.phase(Phase.TRAINING)), 0.5, {}) == []


def test_it_does_nothing_on_what_may_be_undone(second):
    assert decide_stop(View(seen=second.state, final=None, now=0), 0.5, {}) == []


def test_a_task_that_ends_anyway_is_left_alone(second):
    known = {read(second): 0.1}
    assert decide_stop(view(second.phase(Phase.CLOSING)), 0.5, known) == []
    assert decide_stop(view(second.phase(Phase.REVEAL).tell(e.CancelRequested)), 0.5, known) == []


def test_a_round_without_a_report_says_nothing(story):
    tale = story().enrol(2)
    tale.start(1).phase(Phase.EVALUATION)
    tale.start(2).phase(Phase.REVEAL)
    assert decide_stop(view(tale), 0.5, {}) == []


@pytest.mark.asyncio
async def test_the_loss_is_the_reports_and_none_where_there_is_none():
    store = MemoryStore()
    model = content_id(b"model")
    report = EvaluationReport(
        round=1, start_model=model, model=model, scores={}, weights={}, validation_samples=3, loss=0.25
    )
    told = []
    ending = TargetLoss(
        target_loss=0.3,
        retrieval=Retrieval(store, deadline_s=0.2),
        tell=lambda number, said: told.append((number, said.loss, said.target_loss)),
    )
    stored = await store.put(report.encode())
    assert await ending.perform(ReadLoss(round=1, report=stored)) == 0.25
    assert told == [(1, 0.25, 0.3)]
    broken = await store.put(b"no report")
    assert await ending.perform(ReadLoss(round=1, report=broken)) is None
    assert await ending.perform(ReadLoss(round=1, report=content_id(b"nowhere"))) is None
    with pytest.raises(TypeError):
        await ending.perform(Work(round=1))
    assert len(told) == 1
