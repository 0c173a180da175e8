# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import re

import pytest

from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.state import TaskState
from bcfl.scenarios.outcome.summary import RoundAgreement
from bcfl.views.consortium.judges import judges_of
from bcfl.views.consortium.sections import agreement, dishonest, judgements, judging_pay, membership

NAMES = {0: "Ann", 1: "Ben", 2: "Cat", 3: "<Dora>"}


@pytest.fixture
def state(told) -> TaskState:
    return fold(first_state(told[0]), told[1:])


def rows(page):
    return [re.findall("<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall("<tr>(.*?)</tr>", page)]


def test_judges_stand_down_and_targets_across():
    page = judgements({0: {0: 0.5, 1: 0.25}, 3: {0: 0.0, 1: 1.0}}, NAMES)
    head, first, last = rows(page)
    assert head == ["judge", "Ann", "Ben", "Cat", "&lt;Dora&gt;"]
    assert first == ["Ann", "50.0%", "25.0%", "–", "–"]
    assert last == ["&lt;Dora&gt;", "0.0%", "100.0%", "–", "–"]
    assert '<td class="own">50.0%</td>' in page
    assert 'style="background: rgba(0, 114, 178, 0.75)">100.0%' in page


def test_judging_pay_has_its_causes(state):
    judges = {NAMES[index]: judge for index, judge in judges_of(state).items()}
    page = judging_pay(judges, state.config)
    ann, _, cat, dora = rows(page)[1:]
    assert ann[1].endswith(" of 300.00")
    assert ann[2] == "2 of 3"
    assert "no proof that it had run the models in 1 of 3 rounds" in cat[4]
    assert dora[0] == "&lt;Dora&gt;"
    assert "nothing from 0.5 on" in page


def test_a_round_says_who_agreed_and_who_was_missing(consortium):
    summary = consortium()
    odd = RoundAgreement(
        settled=False,
        not_judged=("m-1",),
        not_opened=("m-2",),
        votes={"m-0": "a", "m-1": "b", "m-3": "a"},
        not_voted=("m-2",),
    )
    changed = summary.model_copy(
        update={"rounds": (summary.rounds[0], summary.rounds[1].model_copy(update={"agreement": odd}))}
    )
    first, second = rows(agreement(changed))[1:]
    assert first == ["1", "by contribution", "4 of 4", "–", "m-0, m-1, m-2, m-3", "–"]
    assert second == [
        "2",
        "in equal parts: too few judged",
        "2 of 4",
        "m-1",
        "no majority: the model was kept",
        "no scores: m-1; scores not opened: m-2; no vote: m-2",
    ]


def test_rounds_that_paid_nothing_say_why(consortium):
    summary = consortium()
    worthless = summary.rounds[0].model_copy(update={"scores": {"m-0": 0.0}})
    void = summary.rounds[1].model_copy(
        update={"scores": {}, "tokens": {}, "agreement": RoundAgreement(settled=False)}
    )
    pay = [row[1] for row in rows(agreement(summary.model_copy(update={"rounds": (worthless, void)})))[1:]]
    assert pay == ["none: nothing was useful", "none"]


def test_who_voted_for_what(state):
    names = {state.members[index].account: name for index, name in NAMES.items()}
    assert rows(membership(state, names))[1] == ["Ben", "sent away", "Ann, Cat, &lt;Dora&gt;", "passed"]
    assert membership(dataclasses.replace(state, proposals={}), names) == ""


def test_an_account_without_a_name_is_shown_as_it_is(state):
    shown = rows(membership(state, {}))[1]
    assert shown[0] == state.members[1].account


def test_dishonest_members_stand_beside_the_mean_of_the_others(consortium, member):
    summary = consortium()
    assert dishonest(summary) == ""
    bad = member(judge="copycat", flipped=0.3, contribution=0.01, judging_tokens="0")
    changed = summary.model_copy(update={"members": {**summary.members, "m-3": bad}})
    one, others = rows(dishonest(changed))[1:]
    assert one == ["m-3", "30% replaced", "honest", "copycat", "1%", "30.00", "0.00"]
    assert others == ["mean of the 3 others", "as they are", "honest", "honest", "25%", "30.00", "3.00"]


def test_where_all_are_dishonest_there_is_no_mean(consortium, member):
    summary = consortium()
    changed = summary.model_copy(update={"members": {"m-0": member(flipped=0.5)}})
    assert len(rows(dishonest(changed))) == 2
