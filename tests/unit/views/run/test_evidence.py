# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest

from bcfl.views.run.evidence import section

EVIDENCE = {
    1: {"bob": {"suspicion": 6.0, "odd": -0.0001}, "charlie": {"suspicion": 0.5, "odd": None}},
    2: {"charlie": {"suspicion": 0.25}},
}


@pytest.fixture
def told(judged) -> str:
    return section(judged, EVIDENCE, misbehaved={"bob": (1, 2)})


def cells(page: str, first: str) -> list[str]:
    row = next(row for row in re.findall("<tr>(.*?)</tr>", page) if f">{first}<" in row)
    return re.findall("<td[^>]*>(.*?)</td>", row)


def test_each_case_is_told_in_words_with_the_truth_beside(told):
    assert "Suspended in round 1, because it made the model worse, then thrown out in round 2." in told
    assert "It did misbehave (sign_flip), in rounds 1–2." in told


def test_the_numbers_are_those_of_the_deciding_round_beside_the_others(told):
    assert cells(told, "suspicion")[:3] == ["suspicion", "6.000", "0.500"]
    assert cells(told, "score")[:3] == ["score", "1.200", "0.600"]
    assert "round 2" not in re.findall("<thead>(.*?)</thead>", told)[0]


def test_a_number_that_has_no_words_is_shown_all_the_same(told):
    assert cells(told, "odd") == ["odd", "0.000", "–", ""]


def test_who_was_honest_was_thrown_out_by_mistake(judged):
    found = judged.detection.model_copy(update={"first_misbehaviour": {}, "adversaries": 0})
    people = {**judged.participants}
    people["bob"] = people["bob"].model_copy(update={"behaviour": "honest"})
    changed = judged.model_copy(update={"detection": found, "participants": people})
    assert "It was honest: a mistake." in section(changed, {}, misbehaved={})
    assert "had not done so: a mistake." in section(
        judged.model_copy(update={"detection": found}), {}, misbehaved={}
    )


def test_who_was_missed_is_named(summary):
    told = section(summary, {}, misbehaved={"charlie": (1,)})
    assert "Nobody was suspended or thrown out." in told
    assert "Not thrown out, although they misbehaved: charlie (honest)." in told


def test_many_cases_stay_readable(judged):
    bob = judged.participants["bob"]
    people = {f"t-{number}": bob for number in range(100)}
    told = section(judged.model_copy(update={"participants": people}), {}, misbehaved={})
    assert told.count("<h3>") == 30
    assert "70 more in summary.json" in told


def test_names_are_escaped(judged):
    people = {"<script>": judged.participants["bob"]}
    evidence = {1: {"<script>": {"<b>": 1.0}}}
    told = section(
        judged.model_copy(update={"participants": people}), evidence, misbehaved={"<script>": (1,)}
    )
    assert "<script>" not in told
    assert "<b>" not in told
