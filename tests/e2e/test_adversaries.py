# SPDX-License-Identifier: Apache-2.0
"""The main job in small, on real MNIST: a free-rider and a saboteur are thrown out, and the audit agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bcfl.contracts.phases import Reason

SCENARIO = """
name: small-main
seed: 11
task:
  rounds: 5
  network: mnist_cnn_small
  training: {learning_rate: 0.05, momentum: 0.9, batch_size: 25, epochs: 1}
  score: shapley
  defence: pipeline
  aggregator: validated_trimmed_mean
  reward: {mode: rate, rate: "1", budget: "100", vesting_rounds: 2}
data:
  dataset: mnist
  partition: {name: equal, samples_per_client: 1500}
  validation: {samples: 1000}
population:
  evaluators: [{name: alice%s}]
  trainers:
    - {name: honest, count: 4}
    - {name: larry, behaviour: {name: delta_weights, sigma: 0.3}}
    - {name: mallory, behaviour: sign_flip}
compute: {executor: threads}
"""


BCFL = Path(sys.executable).with_name("bcfl")


def _run(folder, text):
    (folder / "s.yaml").write_text(text)
    done = subprocess.run(
        [BCFL, "run", "s.yaml", "--out", "out"], cwd=folder, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "out" / "summary.json").read_text())


def _audit(folder):
    return subprocess.run([BCFL, "audit", "out"], cwd=folder, capture_output=True, text=True, timeout=110)


def _events(folder, name):
    with (folder / "out" / "events.jsonl").open() as lines:
        return [event for event in map(json.loads, lines) if event["event"] == name]


@pytest.mark.anvil
def test_the_lazy_and_the_malicious_go_with_the_evidence_on_chain(tmp_path):
    summary = _run(tmp_path, SCENARIO % "")
    found = summary["detection"]
    assert (found["precision"], found["recall"], found["ejected_honest"]) == (1.0, 1.0, 0)
    assert found["reward_share"] == 0
    assert summary["final"]["accuracy"] > 0.9
    ejected = {event["index"]: event for event in _events(tmp_path, "TrainerEjected")}
    assert {event["reason"] for event in ejected.values()} == {Reason.NO_NEW_WORK, Reason.HARMFUL}
    reports = {event["report"][0] for event in _events(tmp_path, "EvaluationSubmitted")}
    assert {event["evidence"] for event in ejected.values()} <= reports
    audit = _audit(tmp_path)
    assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.mark.anvil
def test_the_audit_names_an_evaluator_who_ejects_the_honest(tmp_path):
    _run(tmp_path, SCENARIO % ", behaviour: ejector")
    audit = _audit(tmp_path)
    assert audit.returncode == 8
    assert "sanction" in audit.stdout + audit.stderr
