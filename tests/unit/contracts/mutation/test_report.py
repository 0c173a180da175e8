# SPDX-License-Identifier: Apache-2.0
"""What is kept of mutants and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcfl.contracts.mutation import report
from bcfl.contracts.mutation.generation import mutants_of
from bcfl.contracts.mutation.journal import Journal
from bcfl.contracts.mutation.laboratory import Outcome

SOURCES = {"src/One.sol": "function f() { a = b + c; d = e * f; }", "test/One.t.sol": "contract OneTest {}"}
MUTANTS = mutants_of("src/One.sol", SOURCES["src/One.sol"])
KILLED, SURVIVED = Outcome("killed", "test_One"), Outcome("survived")


@pytest.fixture
def path(tmp_path):
    """A journal in which the first mutant was killed and the second survived."""
    path = tmp_path / "out" / "journal.jsonl"
    journal = Journal(path, SOURCES)
    journal.add(MUTANTS[0], KILLED)
    journal.add(MUTANTS[1], SURVIVED)
    return path


def test_a_journal_goes_on_where_it_stopped(path):
    journal = Journal(path, SOURCES)
    assert [journal.outcome(mutant) for mutant in MUTANTS[:3]] == [KILLED, SURVIVED, None]


def test_survivors_are_tried_again_when_tests_change(path):
    journal = Journal(path, {**SOURCES, "test/Two.t.sol": "contract TwoTest {}"})
    assert [journal.outcome(mutant) for mutant in MUTANTS[:2]] == [KILLED, None]


def test_everything_is_when_contracts_change(path):
    journal = Journal(path, {**SOURCES, "src/Two.sol": "contract Two {}"})
    assert [journal.outcome(mutant) for mutant in MUTANTS[:2]] == [None, None]


def results(*verdicts):
    mutants = (*MUTANTS, *mutants_of("src/Two.sol", "function g() { h = i - j; }"))
    found = zip(mutants, (Outcome(verdict) for verdict in verdicts), strict=False)
    told = report.Equivalent("src/One.sol", MUTANTS[1].before, MUTANTS[1].after, "they are the same")
    return report.judged(found, [told])


def test_the_score_counts_only_what_can_be_killed():
    assert len(MUTANTS) == 4
    judged = results("survived", "survived", "killed", "same", "invalid")
    assert [one.outcome.verdict for one in judged] == ["survived", "equivalent", "killed", "same", "invalid"]
    assert judged[1].reason == "they are the same"
    assert report.score(judged) == 50
    assert report.score([]) == 100


def test_an_answer_given_does_not_hide_that_a_test_kills_it():
    assert results("killed", "killed")[1].outcome.verdict == "killed"


def test_the_table_has_a_row_a_file_and_every_survivor_with_its_change():
    table = report.as_markdown(results("survived", "survived", "killed", "killed", "killed"))
    assert "| src/One.sol | 4 | 2 | 1 | 1 | 0 | 0 | 66.7 % |" in table
    assert "| src/Two.sol | 1 | 1 | 0 | 0 | 0 | 0 | 100.0 % |" in table
    assert "| all | 5 | 3 | 1 | 1 | 0 | 0 | 75.0 % |" in table
    survived, equivalent = table.split("## Survived")[1].split("## Equivalent")
    assert f"src/One.sol:1 ({MUTANTS[0].operator})\n" in survived
    assert f"- {MUTANTS[0].before}\n+ {MUTANTS[0].after}\n" in survived
    assert "they are the same" in equivalent


def test_json_has_every_mutant_and_what_became_of_it():
    told = report.as_json(results("killed", "survived"))
    assert told["score"] == 100
    assert [(one["verdict"], one["reason"]) for one in told["mutants"]] == [
        ("killed", ""), ("equivalent", "they are the same"),
    ]  # fmt: skip
    assert told["mutants"][0]["file"] == "src/One.sol"


def test_our_answers_can_be_read_and_give_reasons():
    answers = report.read_equivalents(Path(report.__file__).with_name("equivalents.toml"))
    assert all(answer.reason.strip() and answer.before != answer.after for answer in answers)
