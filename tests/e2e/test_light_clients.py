# SPDX-License-Identifier: Apache-2.0
"""A run of light clients: they sign, a relayer pays, and they come and go."""

from __future__ import annotations

import json

import pytest

LIGHT = """\
name: light
seed: 3
task:
  rounds: 3
  network: {name: mlp, hidden: 8}
  training: {learning_rate: 0.1, epochs: 1}
  score: first_order
  intake: {relayed: true, codec: {name: top_k, share: 0.2, bits: 4}}
  reward: {budget: "30"}
data: {dataset: synthetic, validation: {samples: 200}}
population:
  evaluators: [{name: alice}]
  trainers:
    - {name: steady, count: 6}
    - {name: fickle, count: 6, availability: {present: 0.5}}
    - {name: slow, count: 2, availability: {delay_s: {name: lognormal, median: 600.0}}}
    - {name: late, availability: {joins: {name: constant, value: 1.0}}}
    - {name: brief, availability: {stays: {name: constant, value: 1.0}}}
"""


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "light.yaml"
    path.write_text(LIGHT)
    return path


def _run(bcfl, scenario, directory, *options):
    done = bcfl("run", str(scenario), "--out", str(directory), *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]


def test_the_relayer_alone_pays_and_everybody_is_paid_and_it_repeats(scenario, tmp_path, bcfl):
    events = _run(bcfl, scenario, tmp_path / "one")
    sent = {one["source"]: set() for one in events if one["event"] == "transaction"}
    for one in events:
        if one["event"] == "transaction":
            sent[one["source"]].add(one["action"].partition(":")[0])
    assert sent["relayer"] == {"join", "commit", "reveal"}
    trainers = {name for name in sent if name.partition("-")[0] in {"steady", "fickle", "slow", "late"}}
    assert not trainers, "none of them has sent anything"
    assert sent["brief"] == {"leave"}
    by_round = {
        number: {one["source"] for one in events if one["event"] == "trained" and one["round"] == number}
        for number in (1, 2, 3)
    }
    assert all({"steady-1", "slow-1"} <= there for there in by_round.values())
    assert len({frozenset(name for name in there if "fickle" in name) for there in by_round.values()}) > 1
    assert ["late" in there for there in by_round.values()] == [False, False, True]
    assert ["brief" in there for there in by_round.values()] == [True, False, False]
    sizes = {one["content"][1] for one in events if one["event"] == "UpdateSubmitted"}
    assert max(sizes) < 4 * 784 * 8 / 8, "an eighth of the model"
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert int(summary["tokens"]["paid"]) > 0
    assert bcfl("audit", str(tmp_path / "one")).returncode == 0
    _run(
        bcfl, scenario, tmp_path / "two", "--set", "compute.executor=processes", "--set", "compute.workers=2"
    )
    digests = {bcfl("replay", str(tmp_path / name), "--digest").stdout for name in ("one", "two")}
    assert len(digests) == 1


def test_the_same_without_a_driver(scenario, tmp_path, bcfl):
    quick = "task.schedule={enrolment_s: 20, training_s: 12, reveal_s: 12, evaluation_s: 60, closing_s: 4}"
    options = ("--set", "chain.block_time=0.5", "--set", "task.rounds=1", "--set", quick)
    events = _run(bcfl, scenario, tmp_path / "wall", *options)
    told = {one["source"] for one in events if one["event"] == "trained"}
    committed = {one["index"] for one in events if one["event"] == "UpdateSubmitted"}
    assert len(committed) >= 6
    assert "steady-1" in told


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("population.trainers.0.availability={present: 0}", "present"),
        ("population.trainers.0.availability={joins: {name: gamma}}", "gamma"),
        ("task.intake.codec={name: top_k, share: 2.0}", "share is 2.0"),
        ("task.intake.codec=int5", "int5"),
        ("population.trainers.0.availability={delay_s: {name: exponential, mean: -1.0}}", "mean is -1.0"),
    ],
)
def test_what_cannot_be_is_said_before_it_begins(scenario, bcfl, changed, words):
    done = bcfl("check", str(scenario), "--set", changed)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert changed.partition("=")[0].split(".")[-1] in done.stderr
