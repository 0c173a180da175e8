# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

from bcfl.scenarios.outcome.summary import Performance
from bcfl.views.consortium.judges import Fault, JudgeRecord
from bcfl.views.consortium.member_cards import first_screen

TOKEN = 10**18
PAID = JudgeRecord(rounds=20, paid=3 * TOKEN, most=10 * TOKEN, faults={Fault.TOO_FAR: 12})


def screen(scenario, summary, judge=PAID):
    return first_screen(scenario, summary, dict.fromkeys(summary.members, judge))


def test_a_card_says_gain_contribution_and_tokens(hospitals, consortium):
    page = screen(hospitals, consortium())
    assert page.count('class="member"') == 4
    assert (
        page.count("74 right alone, 78 with the consortium&#x27;s model: 4 more, which may be chance.") == 4
    )
    assert "<dt>of what the others found useful</dt><dd>25%</dd>" in page
    assert "<dt>tokens: 30.00 for training, 3.00 for judging</dt><dd>33.00</dd>" in page
    assert (
        "Judging paid 3.00 of at most 10.00 tokens: too far from what was settled in 12 of 20 rounds." in page
    )
    assert "trained on 80, judged others on 20" in page


def test_two_members_have_cards_and_sixteen_rows(hospitals, consortium):
    assert screen(hospitals, consortium(2)).count('class="member"') == 2
    assert 'class="members three"' in screen(hospitals, consortium(6))
    many = screen(hospitals, consortium(16))
    assert 'class="member"' not in many
    rows = re.findall("<tr>(.*?)</tr>", many)
    assert len(rows) == 17
    assert re.findall("<td[^>]*>(.*?)</td>", rows[1]) == [
        "m-0",
        "74",
        "78",
        "4 more (chance?)",
        "67 → 66",
        "6%",
        "33.00",
        "30.00",
        "3.00",
        "10.00",
    ]


def test_without_baselines_the_rest_is_there(scenario, hospitals, consortium, member):
    digits = hospitals.model_copy(update={"data": scenario.data})
    plain = member(own_test=False, flipped=0.2).model_copy(update={"alone": None})
    for count in (3, 10):
        summary = consortium(count)
        summary = summary.model_copy(update={"members": dict.fromkeys(summary.members, plain)})
        page = screen(digits, summary)
        assert "alone" not in page
        assert "hospital" not in page
        assert "Of 100 test samples that no member has, the consortium&#x27;s model gets 78 right." in page
        assert "20%" in page
        assert "33.00" in page


def test_the_first_words_compare_all_on_their_own_samples(hospitals, consortium, member):
    summary = consortium()
    final = summary.final.model_copy(update={"accuracy": 312 / 400})
    pooled = Performance(accuracy=0.8, auroc=0.8, loss=0.5, samples=100)
    alone = [200, 210, 220, 230]
    members = {
        name: member(
            pooled=pooled,
            alone_on_all=Performance(accuracy=count / 400, auroc=0.7, loss=0.5, samples=400),
        )
        for name, count in zip(summary.members, alone, strict=True)
    }
    page = screen(hospitals, summary.model_copy(update={"members": members, "final": final}))
    assert "In 2 rounds 4 hospitals taught one model together" in page
    assert (
        "On the 400 patients that no model learned from, each at its own hospital, models trained alone get 296 right, the "
        "consortium&#x27;s 312, one of everybody&#x27;s data in one place 320. So small a difference may be chance. Asked about "
        "all 400, a hospital&#x27;s own model gets 200 to 230 right."
    ) in page
    assert "of all hospitals its own model gets 200 right, the consortium&#x27;s 312: 112 more." in page


def test_who_was_not_as_the_others_is_said(hospitals, consortium, member):
    summary = consortium()
    members = {**summary.members, "m-1": member(judge="copycat", flipped=0.3)}
    people = dict(summary.participants)
    people["m-1"] = people["m-1"].model_copy(
        update={
            "behaviour": "sign_flip",
            "tokens": str(5 * TOKEN),
            "ejected_round": 2,
            "ejected_reason": "voted",
        }
    )
    changed = summary.model_copy(update={"members": members, "participants": people})
    for page in (screen(hospitals, changed), screen(hospitals, _grown(changed))):
        assert "Set to misbehave in training (sign_flip)." in page
        assert "Set to misbehave as a judge (copycat)." in page
        assert "Thrown out in round 2: was voted out by the members." in page
        assert "Only 5.00 tokens were paid out; it forfeited the rest." in page
        assert "30%" in page


def _grown(summary):
    """The same with more members, for a table."""
    more = {f"n-{number}": summary.members["m-0"] for number in range(5)}
    people = dict.fromkeys(more, summary.participants["m-0"])
    return summary.model_copy(
        update={
            "members": {**summary.members, **more},
            "participants": {**summary.participants, **people},
        }
    )


def test_names_are_escaped(hospitals, consortium):
    hostile = "<script>alert(1)</script>"
    for count in (2, 10):
        summary = consortium(count)
        members = {hostile: summary.members["m-0"], **summary.members}
        people = {hostile: summary.participants["m-0"], **summary.participants}
        page = screen(hospitals, summary.model_copy(update={"members": members, "participants": people}))
        assert "<script" not in page
        assert "&lt;script&gt;" in page
