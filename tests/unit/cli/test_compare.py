# SPDX-License-Identifier: Apache-2.0
"""``bcfl compare``: several runs in one table, in JSON and on one page, with what their scenarios say differently."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bcfl.cli.app import main
from bcfl.scenarios.definition.differing import differing
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.summary import (
    Detection,
    EventCounts,
    Final,
    GasTotals,
    Genesis,
    RoundSummary,
    Summary,
    Timings,
    TokenTotals,
)

_QUICK = Path(__file__).parents[3] / "scenarios" / "quick.yaml"


@pytest.fixture
def made(tmp_path):
    def make(name, *overrides, loss=0.5, seed=1):
        scenario = load(_QUICK, overrides, seed)
        with RunDirectory.create(scenario, out=tmp_path / name) as directory:
            directory.write_summary(
                Summary(
                    scenario=scenario.name,
                    seed=seed,
                    genesis=Genesis(loss=2.3, accuracy=0.1),
                    rounds=(RoundSummary(round=1, global_loss=loss, global_accuracy=0.9),),
                    final=Final(loss=loss, accuracy=0.9, cid="bafy"),
                    participants={},
                    tokens=TokenTotals(budget="3", paid="1500000000000000000", returned="2"),
                    detection=Detection(
                        precision=1.0,
                        recall=0.5,
                        f1=0.6,
                        false_ejection_rate=0.25,
                        adversaries=2,
                        honest=4,
                        ejected_adversaries=1,
                        ejected_honest=1,
                        reward_share=0.1,
                    ),
                    timings=Timings(total_s=1.25),
                    gas=GasTotals(total=12_345, per_trainer_round=1.0),
                    events=EventCounts(delivered=1, retracted=0),
                )
            )
        return str(tmp_path / name)

    return make


def _status(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    return ended.value.code or 0


def test_tables_and_a_page(made, tmp_path, capsys):
    page = tmp_path / "pages" / "it.html"
    first, second = made("a"), made("b", "task.rounds=7", loss=0.25, seed=2)
    assert _status(first, second, "--page", str(page)) == 0
    said = capsys.readouterr().out
    assert "0.2500" in said
    assert "1 of 2" in said
    assert "1 of 4" in said
    assert "task.rounds" in said
    assert f"page: {page}" in said
    text = page.read_text()
    assert text.count("<svg") == 2
    for words in ("<h1>2 runs</h1>", "<td>task.rounds</td>", "<td>0.2500</td>"):
        assert words in text


def test_json(made, capsys):
    assert _status(made("a"), made("b", "task.score=step"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in told["runs"]] == ["a", "b"]
    assert told["runs"][0]["paid"] == "1500000000000000000"
    assert told["runs"][1]["final"]["loss"] == 0.5
    assert told["differences"] == {"task.score": ["shapley", "step"]}


def test_the_same_scenario_twice(made, capsys):
    assert _status(made("a"), made("b")) == 0
    assert "Their scenarios say the same." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["a"], "two runs or more"), (["a", "nowhere"], "There is no directory"), ([], "RUNS")],
)
def test_mistakes(made, tmp_path, capsys, names, sentence):
    made("a")
    assert _status(*(str(tmp_path / name) for name in names)) == 2
    assert sentence in capsys.readouterr().err


def test_a_page_that_cannot_be_written(made, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert _status(made("a"), made("b"), "--page", str(tmp_path / "file" / "it.html")) == 5
    assert "give another file with --page" in capsys.readouterr().err


def test_a_run_that_did_not_end(made, tmp_path, capsys):
    first, second = made("a"), made("b")
    (tmp_path / "b" / "summary.json").unlink()
    assert _status(first, second) == 2
    assert "summary.json is missing" in capsys.readouterr().err


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
