# SPDX-License-Identifier: Apache-2.0
"""``bcfl compare``: several runs in one table, in JSON and on one page, with what their scenarios say differently."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bcfl.scenarios.definition.differing import differing
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.summary import Detection, Final, RoundSummary, TokenTotals

_QUICK = Path(__file__).parents[3] / "scenarios" / "quick.yaml"


@pytest.fixture
def made(tmp_path, a_summary):
    def make(name, *overrides, loss=0.5, seed=1):
        scenario = load(_QUICK, overrides, seed)
        detection = Detection(
            precision=1.0,
            recall=0.5,
            f1=0.6,
            false_ejection_rate=0.25,
            adversaries=2,
            honest=4,
            ejected_adversaries=1,
            ejected_honest=1,
            reward_share=0.1,
        )
        changed = {
            "rounds": (RoundSummary(round=1, global_loss=loss, global_accuracy=0.9),),
            "final": Final(loss=loss, accuracy=0.9, cid="bafy"),
            "tokens": TokenTotals(budget="3", paid="1500000000000000000", returned="2"),
            "detection": detection,
        }
        with RunDirectory.create(scenario, out=tmp_path / name) as directory:
            directory.write_summary(a_summary(scenario).model_copy(update=changed))
        return str(tmp_path / name)

    return make


def test_tables_and_a_page(made, tmp_path, command):
    page = tmp_path / "pages" / "it.html"
    first, second = made("a"), made("b", "task.rounds=7", loss=0.25, seed=2)
    compared = command("compare", first, second, "--page", str(page))
    assert compared.status == 0
    said = compared.out
    assert "0.2500" in said
    assert "1 of 2" in said
    assert "1 of 4" in said
    assert "task.rounds" in said
    assert f"page: {page}" in said
    text = page.read_text()
    assert text.count("<svg") == 2
    for words in ("<h1>2 runs</h1>", "<td>task.rounds</td>", "<td>0.2500</td>"):
        assert words in text


def test_json(made, command):
    compared = command("compare", made("a"), made("b", "task.score=step"), "--json")
    assert compared.status == 0
    told = json.loads(compared.out)
    assert [run["run"] for run in told["runs"]] == ["a", "b"]
    assert told["runs"][0]["paid"] == "1500000000000000000"
    assert told["runs"][1]["final"]["loss"] == 0.5
    assert told["differences"] == {"task.score": ["shapley", "step"]}


def test_the_same_scenario_twice(made, command):
    compared = command("compare", made("a"), made("b"))
    assert compared.status == 0
    assert "Their scenarios say the same." in compared.out


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["a"], "two runs or more"), (["a", "nowhere"], "There is no directory"), ([], "RUNS")],
)
def test_mistakes(made, tmp_path, command, names, sentence):
    made("a")
    compared = command("compare", *(str(tmp_path / name) for name in names))
    assert compared.status == 2
    assert sentence in compared.err


def test_a_page_that_cannot_be_written(made, tmp_path, command):
    (tmp_path / "file").write_text("")
    compared = command("compare", made("a"), made("b"), "--page", str(tmp_path / "file" / "it.html"))
    assert compared.status == 5
    assert "give another file with --page" in compared.err


def test_a_run_that_did_not_end(made, tmp_path, command):
    first, second = made("a"), made("b")
    (tmp_path / "b" / "summary.json").unlink()
    compared = command("compare", first, second)
    assert compared.status == 2
    assert "summary.json is missing" in compared.err


def test_keys_that_one_scenario_lacks():
    found = differing([load(_QUICK), load(_QUICK, ["task.network={name: mlp, hidden: 9}"])])
    assert ("task.network.hidden", (16, 9)) in found
    other = load(_QUICK, ["task.network=mnist_cnn"])
    assert ("task.network.hidden", (16, None)) in differing([load(_QUICK), other])
    trainers = [{"name": "bob", "behaviour": "sign_flip"}, {"name": "eve"}]
    other = load(_QUICK, [f"population.trainers={json.dumps(trainers)}"])
    assert dict(differing([load(_QUICK), other]))["population.trainers.0.behaviour"] == (
        "honest",
        "sign_flip",
    )
