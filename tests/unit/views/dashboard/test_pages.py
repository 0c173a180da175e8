# SPDX-License-Identifier: Apache-2.0
"""The live pages' parts, drawn from states without a chain."""

from __future__ import annotations

import dataclasses
import re

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import Kind, Phase, Reason
from bcfl.scenarios.following.watched import Watched
from bcfl.views.dashboard.frame import page
from bcfl.views.dashboard.members import at_work
from bcfl.views.dashboard.names import Names, short
from bcfl.views.dashboard.overview import overview_fragment
from bcfl.views.dashboard.rounds import quality_figure
from bcfl.views.dashboard.task import phase_words, task_fragment
from bcfl.views.kit.canvas import as_svg

EVIL = "<img src=x onerror=alert(1)>"
REPORT = ContentId(b"r" * 32, 20)
MODEL = ContentId(b"m" * 32, 10)


def seen(story):
    return Watched.made(story.created, story.state)


@pytest.fixture
def evaluated(story, origin):
    """Round 1 of three: the first is in the model, the second was thrown out as harmful, the third stayed away."""
    told = story().enrol(3).start().commit(0, 1)
    told = told.phase(Phase.REVEAL).submit(0, "a").submit(1, "b")
    record = dataclasses.replace(
        told.state.current, model=MODEL, report=REPORT, scores={0: 5 * 10**8}, credits={0: 7 * 10**9}
    )
    state = dataclasses.replace(told.state, rounds={1: record})
    event = e.TrainerEjected(
        origin=origin(9, 3), round=1, index=1, reason=Reason.HARMFUL, evidence=b"", forfeited=0
    )
    members = {**state.members, 1: dataclasses.replace(state.members[1], active=False, ejected_round=1)}
    state = dataclasses.replace(state, members=members)
    report = EvaluationReport(
        round=1,
        start_model=MODEL,
        model=MODEL,
        scores={0: 5 * 10**8},
        weights={0: 1},
        validation_samples=9,
        rejected={1: "harmful"},
        evidence={0: {"suspicion": 0.0, "odd": 1.0}, 1: {"suspicion": 7.0, "marginal": -3.25}},
        loss=0.5,
        accuracy=0.9,
    )
    return seen(told).after(state, [event]), report


def test_a_stranger_s_words_are_text_wherever_they_stand(evaluated):
    watched, report = evaluated
    account = watched.state.members[1].account
    watched = watched.reported(
        REPORT, dataclasses.replace(report, rejected={1: EVIL}, evidence={1: {EVIL: 1.0}})
    )
    specification = type("S", (), {"title": EVIL, "encode": lambda self: b'{"title": "<img src=x>"}'})()
    watched = dataclasses.replace(watched, specification=specification)
    names = Names({account: EVIL})
    whole = page(EVIL, task_fragment(watched, names) + overview_fragment([watched]), network=EVIL)
    assert "<img" not in whole
    assert whole.count("&lt;img src=x") >= 5


def test_an_ejection_stands_with_its_evidence_in_words(evaluated):
    watched, report = evaluated
    before = task_fragment(watched, Names())
    assert "Its evaluation is being fetched." in before
    name = short(watched.state.members[1].account)
    drawn = task_fragment(watched.reported(REPORT, report), Names())
    assert f"<b>{name}</b> was thrown out in round 1, because it made the model worse." in drawn
    assert "evidence of round 1: suspicion 7.000 (the others 0.000), marginal -3.250 (the others –)" in drawn
    assert "that evidence, added up over the rounds" in drawn  # what the number says
    assert '<article class="case ejected" data-index="1" data-round="1">' in drawn


def test_a_report_that_the_store_does_not_give_is_said(evaluated):
    watched, _ = evaluated
    drawn = task_fragment(dataclasses.replace(watched, missing=frozenset({REPORT})), Names())
    assert "The store does not give its evaluation." in drawn
    assert "being fetched" not in drawn


def test_members_stand_with_score_pay_and_why(evaluated):
    watched, report = evaluated
    drawn = task_fragment(watched.reported(REPORT, report), Names({watched.state.members[0].account: "anna"}))
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>.*?</tr>", drawn)]
    (anna,) = [row for row in rows if "anna" in row and "active" in row]
    assert "+0.5000" in anna
    assert "|7|" in anna
    assert "in the model" in anna
    (thrown,) = [row for row in rows if "ejected in round 1" in row]
    assert "made the model worse" in thrown
    assert rows.index(thrown) < rows.index(anna)  # who was sent away comes first


def test_who_was_not_paid_reads_why(evaluated):
    watched, report = evaluated
    record = dataclasses.replace(watched.state.rounds[1], scores={0: -5}, credits={0: 0})
    watched = dataclasses.replace(watched, state=dataclasses.replace(watched.state, rounds={1: record}))
    assert "its update made the model no better" in task_fragment(watched.reported(REPORT, report), Names())


@pytest.mark.parametrize(
    ("index", "words"), [(0, "handed in"), (1, "committed"), (2, "handed in nothing"), (3, "sits out")]
)
def test_what_everybody_is_at(story, index, words):
    told = story().enrol(4).start(cohort=(0, 1, 2)).commit(0, 1).phase(Phase.REVEAL).submit(0, "a")
    assert at_work(told.state, index) == words


def test_who_committed_and_never_opened_is_told_apart_once_it_is_too_late(story):
    told = story().enrol(2).start().commit(0, 1).phase(Phase.REVEAL).submit(0, "a").phase(Phase.EVALUATION)
    assert at_work(told.state, 1) == "did not open"


def test_where_a_task_stands(story):
    told = story().enrol(2)
    assert phase_words(seen(told)) == "enrolment, 2 of 10 members"
    assert phase_words(seen(told.start())) == "round 1 of 3, training"
    told.tell(e.TaskCompleted)
    assert phase_words(seen(told)) == "completed, 0 of 3 rounds"


def test_a_consortium_s_members_judge_and_vote(story):
    told = story(kind=Kind.CONSORTIUM, evaluators=2).enrol(2).start().commit(0, 1)
    told = told.phase(Phase.REVEAL).submit(0, "a").submit(1, "b").phase(Phase.EVALUATION).opine(0)
    drawn = task_fragment(seen(told), Names())
    assert "has judged" in drawn
    assert "<dt>judged</dt><dd>1 of 2</dd>" in drawn
    assert "Votes on members" in drawn
    assert "<li class=here>evaluation</li>" in drawn


def test_a_thousand_members_do_not_make_a_page_of_a_thousand_rows(story):
    told = story(capacity=1000).enrol(1000).start()
    drawn = task_fragment(seen(told), Names())
    assert drawn.count("<tr>") < 100
    assert "… and 940 more" in drawn


def test_living_tasks_come_first_and_a_factory_may_have_none(story):
    assert "no task yet" in overview_fragment([])
    ended = story().enrol(2).start()
    ended.tell(e.TaskCompleted)
    one = dataclasses.replace(seen(ended), created=dataclasses.replace(seen(ended).created, number=99))
    drawn = overview_fragment([one, seen(story().enrol(1))])
    assert "1 of 2 are under way" in drawn
    assert drawn.index("enrolment") < drawn.index("completed")


def test_who_handed_in_nothing_has_no_evidence_and_none_is_waited_for(evaluated):
    watched, _ = evaluated
    record = dataclasses.replace(watched.state.rounds[1], updates={})
    watched = dataclasses.replace(watched, state=dataclasses.replace(watched.state, rounds={1: record}))
    drawn = task_fragment(watched, Names())
    assert "was thrown out in round 1" in drawn
    assert "being fetched" not in drawn


def test_two_accounts_that_look_alike_have_each_their_own_numbers(evaluated):
    watched, report = evaluated
    names = Names(dict.fromkeys([one.account for one in watched.state.members.values()], "the same"))
    drawn = task_fragment(watched.reported(REPORT, report), names)
    assert "suspicion 7.000 (the others 0.000)" in drawn


def test_whatever_a_stranger_reports_and_writes_there_is_a_page(evaluated):
    watched, report = evaluated
    kinds = {f"kind {n}": float(n) for n in range(500)}
    wild = dataclasses.replace(report, loss=1e308, accuracy=-1e308, evidence={0: kinds, 1: kinds})
    title = type("S", (), {"title": "x" * 10**6, "encode": lambda self: b"{}"})()
    watched = dataclasses.replace(watched.reported(REPORT, wild), specification=title)
    assert len(task_fragment(watched, Names())) < 60_000
    assert len(overview_fragment([watched])) < 2_000
    assert as_svg(quality_figure(watched.quality))


def test_an_overturned_evaluation_is_no_quality(evaluated):
    watched, report = evaluated
    told = watched.reported(REPORT, report)
    assert told.quality == {1: (0.5, 0.9)}
    record = dataclasses.replace(told.state.rounds[1], reverted=True)
    state = dataclasses.replace(told.state, rounds={1: record})
    assert dataclasses.replace(told, state=state).quality == {}
    assert "90.00%" not in overview_fragment([dataclasses.replace(told, state=state)])
