# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from bcfl.agents.common.decisions import Scored
from bcfl.contracts import events as e
from bcfl.contracts.event_codec import event_to_json
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import ScenarioError
from bcfl.views.run.report import render, write_report
from bcfl.views.run.words import in_words

NAMES = ("bob", "charlie")
ROLES = {"publisher": "publisher", "alice": "evaluator"}
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
    assert parsed.tags.count("svg") == 2 * 4  # for a page and for a phone


@pytest.fixture
def judged_directory(tmp_path, scenario, judged, story) -> RunDirectory:
    """Two rounds of the contract's events: bob is suspended in the first and thrown out in the second."""
    told = story(rounds=2)
    accounts = dict(zip(("bob", "charlie"), ("0x" + "0" * 39 + "1", "0x" + "0" * 39 + "2"), strict=True))
    accounts |= {"publisher": told.created.publisher, "alice": told.created.evaluators[0]}
    people = {name: {"role": ROLES.get(name, "trainer"), "address": at} for name, at in accounts.items()}
    sanction = {"index": 0, "reason": 6, "evidence": b"r" * 32}
    happened = [
        told.created,
        *(told.event(e.TrainerJoined, index=i, account=accounts[n], stake=0) for i, n in enumerate(NAMES)),
    ]
    for number in (1, 2):
        model = told.created.config.genesis
        posted = {"evaluator": 0, "report": model, "payout": 0}
        happened += [
            told.event(e.RoundStarted, round=number, model=model, deadline=9, cohort=(0, 1)),
            *(
                told.event(e.UpdateSubmitted, round=number, index=i, content=model, position=i)
                for i in (0, 1)
            ),
            told.event(e.EvaluationSubmitted, round=number, scores=(0, 0), **posted),
            told.event(e.TrainerSuspended, round=number, until_round=6, **sanction)
            if number == 1
            else told.event(e.TrainerEjected, round=number, forfeited=0, **sanction),
            told.event(e.RoundFinalized, round=number, model=model, payout=0),
        ]
    with RunDirectory.create(scenario, out=tmp_path / "judged") as made:
        made.append_event({"event": "run_started", "source": "runner", "participants": people})
        for event in happened:
            made.append_event({"source": "chain", "block": 1, **event_to_json(event)})
        made.append_event({"event": "misbehaving", "source": "bob", "round": 1})
        found = Scored(
            start_loss=2.0,
            start_accuracy=0.1,
            loss=1.0,
            accuracy=0.5,
            validation_loss={},
            rejected={},
            evidence={"0": {"suspicion": 6.125}},
        )
        made.append_event({"event": found.name, "source": "alice", "round": 1, **found.model_dump()})
        made.write_summary(judged)
    return made


def test_the_report_says_who_was_thrown_out_and_on_which_evidence(judged_directory):
    page = write_report(judged_directory).read_text(encoding="utf-8")
    parsed = Page(page)
    assert parsed.open == []
    assert parsed.tags.count("svg") == 2 * 6
    assert "Who was thrown out, and why" in page
    assert "It did misbehave (sign_flip), in round 1." in page
    assert "<td>6.125</td>" in page
    assert page.index("Who was thrown out") < page.index("Loss and accuracy")


def test_where_nothing_happened_there_is_no_such_section(directory):
    assert "thrown out, and why" not in write_report(directory).read_text(encoding="utf-8")


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
    assert words.endswith("nobody was thrown out.")


def test_in_words_says_what_went_wrong(scenario, summary):
    done = summary.rounds[0].model_copy(update={"rejected": {"bob": "not_finite"}, "ejected": ("bob",)})
    words = in_words(scenario, summary.model_copy(update={"status": "cancelled", "rounds": (done,)}))
    assert "cancelled" in words
    assert "1 update was rejected. Thrown out: bob in round 1, because it was ejected." in words


def test_in_words_says_why_it_ended(scenario, summary):
    diverged = summary.model_copy(update={"conclusion": "training diverges: all was lost"})
    assert "Training diverges: all was lost. " in in_words(scenario, diverged)


def test_who_was_thrown_out_is_among_the_first_words_and_numbers(scenario, summary, judged):
    words = in_words(scenario, judged)
    assert "Thrown out: bob in round 2, because it made the model worse." in words
    assert "those who misbehaved took 12.5% of the pay" in words
    page = render(scenario=scenario, summary=judged, figures={}, yaml="")
    assert "1 of 1" in page
    assert "12.50%" in page
    assert "12.50%" not in render(scenario=scenario, summary=summary, figures={}, yaml="")


def test_a_backdoor_is_among_the_numbers_where_there_is_one(scenario, summary):
    final = summary.final.model_copy(update={"backdoor_success": 0.0725})
    with_one = summary.model_copy(update={"final": final})
    assert "7.25%" in render(scenario=scenario, summary=with_one, figures={}, yaml="")


def test_removed_evaluators_are_named(scenario, summary):
    alice = summary.participants["alice"].model_copy(
        update={"removed_round": 1, "removed_reason": "objections"}
    )
    done = summary.rounds[0].model_copy(update={"overturned": True})
    changed = summary.model_copy(
        update={"participants": {**summary.participants, "alice": alice}, "rounds": (done, summary.rounds[1])}
    )
    assert "Removed as evaluator: alice; 1 evaluation was overturned by objections." in in_words(
        scenario, changed
    )


def test_a_run_that_did_not_end_is_refused_in_words(directory):
    directory.summary_file.unlink()
    with pytest.raises(ScenarioError, match=r"summary\.json is missing"):
        write_report(directory)
