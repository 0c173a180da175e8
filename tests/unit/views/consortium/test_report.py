# SPDX-License-Identifier: Apache-2.0
"""The page of a consortium's run, made from its event log alone."""

from __future__ import annotations

import re

import pytest

from bcfl.views.consortium.report import STYLE
from bcfl.views.run.report import render, write_report
from bcfl.views.run.words import in_words


@pytest.fixture
def page(consortium_directory) -> str:
    return write_report(consortium_directory).read_text(encoding="utf-8")


def test_the_members_come_first_and_the_usual_numbers_after_them(page):
    places = [
        page.index(text)
        for text in (
            "In 3 rounds 4 hospitals taught one model together",
            'class="member"',
            "<h2>Contribution by round</h2>",
            "<h2>Tokens</h2>",
            "<h2>Right answers</h2>",
            "<h2>Who judged whom</h2>",
            "<h2>What judging paid</h2>",
            "<h2>How each round was agreed</h2>",
            "<h2>Who was let in or sent away</h2>",
            "<h2>Wrong labels and misbehaviour</h2>",
            "<h2>The run in numbers</h2>",
            "<h2>Gas by role</h2>",
            "<h2>Timeline of events</h2>",
            "<h2>Rounds</h2>",
            "<h2>Participants</h2>",
            "<h2>Scenario</h2>",
        )
    ]
    assert places == sorted(places)
    assert "Scores and tokens" not in page
    assert "thrown out, and why" not in page


def test_each_hospital_has_its_words(page):
    cards = dict(re.findall(r'<section class="member"><h2>(\w+) (.*?)</section>', page))
    assert list(cards) == ["Ann", "Ben", "Cat", "Dora"]
    for card in cards.values():
        assert (
            "Of 100 patients of its own it gets 74 right alone, 78 with the consortium&#x27;s model" in card
        )
        assert "Of the 400 patients of all hospitals its own model gets 250 right" in card
        assert "Shown a sick and a healthy patient" in card
        assert re.search(r"tokens: [\d.,]+ for training, [\d.,]+ for judging", card)
    assert "Thrown out in round 3: was voted out by the members." in cards["Ben"]
    assert "Set to misbehave as a judge (copycat)." in cards["Cat"]
    assert "30% of its labels were replaced by random ones." in cards["Dora"]
    assert (
        "scores not opened (which costs the round&#x27;s pay, and the bond) in 1 of 3 rounds" in cards["Dora"]
    )


def test_the_page_is_one_file_that_fetches_nothing(page):
    assert not re.search(r"url\((?!#)|@import|<script|<link|<img|<iframe", page)
    assert page.count("<svg") == 2 * 6
    assert STYLE in page


def test_the_scenarios_words_are_escaped(page):
    assert "four &lt;i&gt;hospitals&lt;/i&gt;" in page
    assert "<i>hospitals" not in page


def test_rounds_show_what_judging_paid(page):
    table = page[page.index("<h2>Rounds</h2>") : page.index("<h2>Participants</h2>")]
    heads = re.findall("<th[^>]*>(.*?)</th>", table)
    rows = [re.findall("<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", table)[1:]]
    assert heads[-3:] == ["tokens", "for judging", "gas"]
    assert [row[-3] for row in rows][2:] == ["900.0000", "900.0000"]
    assert rows[2][-2] == "0.0000"  # split equally: nobody is paid for judging
    assert float(rows[1][-2]) > 0


def test_a_crowds_page_has_none_of_it(scenario, summary):
    page = render(scenario=scenario, summary=summary, figures={}, yaml="")
    assert "member" not in page
    assert STYLE not in page


def test_in_words_a_consortium_has_members_and_no_evaluator(hospitals, consortium):
    words = in_words(hospitals, consortium())
    assert words.startswith(
        "4 members taught the network 'tabular' on 'heart_disease' in 2 of 3 rounds; each scored every other's update with "
        "'shapley' on data that it held out."
    )
    assert words.endswith("nobody was thrown out.")
