# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from bcfl.scenarios.errors import ScenarioError
from bcfl.scenarios.run_directory import RunDirectory
from bcfl.scenarios.summary import Detection
from bcfl.views.report import in_words, render, write_report

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.references += [
            value or "" for name, value in attributes if name in ("src", "href", "xlink:href")
        ]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()


@pytest.fixture
def directory(tmp_path, scenario, summary) -> RunDirectory:
    with RunDirectory.create(scenario, out=tmp_path / "out") as made:
        made.append_event({"event": "TaskCreated", "source": "chain", "time": 100, "block": 1})
        for done in summary.rounds:
            made.append_round(done)
        made.write_summary(summary)
    return made


def test_the_report_is_one_file_that_fetches_nothing(directory):
    page = write_report(directory).read_text(encoding="utf-8")
    parsed = Page(page)
    assert parsed.open == []
    assert all(reference.startswith("#") for reference in parsed.references)
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page
    assert not {"script", "link", "iframe", "img"} & set(parsed.tags)
    assert parsed.tags.count("svg") == 4


def test_what_people_wrote_is_escaped(directory):
    page = write_report(directory).read_text(encoding="utf-8")
    assert "two &lt;b&gt;trainers&lt;/b&gt; &amp; an evaluator" in page
    assert "<b>trainers" not in page


def test_names_and_reasons_are_escaped(scenario, summary):
    hostile = "<script>alert(1)</script>"
    done = summary.rounds[0].model_copy(update={"rejected": {hostile: hostile}, "ejected": (hostile,)})
    people = {hostile: summary.participants["bob"]}
    page = render(
        scenario=scenario,
        summary=summary.model_copy(update={"rounds": (done,), "participants": people, "scenario": hostile}),
        figures={hostile: "<svg></svg>"},
        yaml=hostile,
    )
    assert "<script" not in page


def test_the_figures_come_after_the_words_and_the_numbers(directory):
    page = write_report(directory).read_text(encoding="utf-8")
    assert page.index('class="words"') < page.index('class="cards"') < page.index("<svg")


def test_in_words(scenario, summary):
    words = in_words(scenario, summary)
    assert "2 trainers taught the network 'mnist_cnn' on 'mnist' in 2 of 2 rounds" in words
    assert "loss went from 2.3000 to 0.2000, its accuracy from 10.00% to 95.00%" in words
    assert "2.10 were paid and 97.90 returned" in words
    assert "bob earned most, 1.40" in words
    assert words.endswith("nobody was ejected.")


def test_in_words_says_what_went_wrong(scenario, summary):
    done = summary.rounds[0].model_copy(update={"rejected": {"bob": "not_finite"}, "ejected": ("bob",)})
    words = in_words(scenario, summary.model_copy(update={"status": "cancelled", "rounds": (done,)}))
    assert "cancelled" in words
    assert "1 update was rejected and bob ejected." in words


def test_detection_is_among_the_numbers_where_somebody_misbehaves(scenario, summary):
    detection = Detection(precision=1.0, recall=0.5, f1=0.67, false_ejection_rate=0.0, reward_share=0.125)
    page = render(
        scenario=scenario, summary=summary.model_copy(update={"detection": detection}), figures={}, yaml=""
    )
    assert "12.50%" in page
    assert "12.50%" not in render(scenario=scenario, summary=summary, figures={}, yaml="")


def test_a_run_that_did_not_end_is_refused_in_words(directory):
    directory.summary_file.unlink()
    with pytest.raises(ScenarioError, match=r"summary\.json is missing"):
        write_report(directory)
