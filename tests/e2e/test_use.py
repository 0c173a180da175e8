# SPDX-License-Identifier: Apache-2.0
"""A run's model is used: asked about the run's own data and somebody else's, and written as a program of its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest


def test_predictions_for_the_runs_own_data_are_as_good_as_the_summary_says(honest, bcfl, tmp_path):
    out = tmp_path / "it.csv"
    done = bcfl("predict", str(honest), "--out", str(out), "--probabilities")
    assert done.returncode == 0, done.stderr
    final = json.loads((honest / "summary.json").read_text())["final"]
    assert f"accuracy {final['accuracy']:.2%}, loss {final['loss']:.4f}" in done.stderr
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    for row in rows:
        assert row["probability"] == row[row["class"]] == max(row[str(label)] for label in range(10))


def test_predictions_for_arrays_are_printed(honest, bcfl, tmp_path):
    np.savez(tmp_path / "new.npz", x=np.zeros((3, 1, 28, 28), dtype=np.uint8))
    done = bcfl("predict", str(honest), "--data", str(tmp_path / "new.npz"))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_the_model_is_exported(honest, bcfl, tmp_path, kind):
    done = bcfl("export", str(honest), "--format", kind, "--out", str(tmp_path / "it"))
    assert done.returncode == 0, done.stderr
    assert (
        "from inputs (n, 1, 28, 28) of float32, raw values times 0.00392157 to logits (n, 10)" in done.stdout
    )
    assert (tmp_path / "it").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["predict", "RUN", "--data", "nowhere.npz"], 6, "There is no nowhere.npz"),
        (["predict", "RUN", "--out", "/dev/null/it.csv"], 5, "give another file with --out"),
        (["export", "RUN", "--out", "/dev/null/it.pt2"], 5, "give another file with --out"),
        (["export", "nowhere"], 2, "There is no directory nowhere"),
    ],
)
def test_mistakes(honest, bcfl, arguments, status, sentence):
    done = bcfl(*(str(honest) if one == "RUN" else one for one in arguments))
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_without_a_model(honest, bcfl):
    (honest / "final.safetensors").unlink()
    for command in ("predict", "export"):
        done = bcfl(command, str(honest))
        assert done.returncode == 2
        assert "is missing or damaged, or the run has not ended" in done.stderr


def test_a_run_from_a_model_of_ones_own_is_resumed_and_audited_without_the_file(honest, bcfl, tmp_path):
    start = tmp_path / "start.safetensors"
    start.write_bytes((honest / "final.safetensors").read_bytes())
    out = tmp_path / "again"
    scenario = str(Path(__file__).parents[2] / "scenarios" / "quick.yaml")
    done = bcfl("run", scenario, "--set", f"task.genesis={start}", "--out", str(out))
    assert done.returncode == 0, done.stderr
    before, after = (json.loads((one / "summary.json").read_text()) for one in (honest, out))
    assert after["genesis"]["loss"] == pytest.approx(before["final"]["loss"])
    start.unlink()
    audited = bcfl("audit", str(out))
    assert audited.returncode == 0, audited.stdout


def test_a_table_is_trained_on_and_asked_about(finished, bcfl, tmp_path):
    lines = [
        f"{n % 17},{n % 23},{'warm' if n % 3 else 'cold'},{'ill' if n % 17 > n % 23 / 2 else 'well'}"
        for n in range(400)
    ]
    table = tmp_path / "patients.csv"
    table.write_text("a,b,room,state\n" + "\n".join(lines))
    scenario = tmp_path / "mine.yaml"
    scenario.write_text(
        f"name: mine\ntask: {{rounds: 6, network: tabular, training: {{learning_rate: 0.1, epochs: 4, batch_size: 20}}}}\n"
        f"data: {{dataset: {{name: csv, path: {table}, target: state}}}}\n"
        "population: {evaluators: [{name: eve}], trainers: [{name: ann}, {name: ben}]}\n"
    )
    directory = finished(scenario=scenario)
    new = tmp_path / "new.csv"
    new.write_text("room,b,a\ncold,2,16\nwarm,22,1\n")
    done = bcfl("predict", str(directory), "--data", str(new))
    assert done.returncode == 0, done.stderr
    assert [line.split(",")[1] for line in done.stdout.splitlines()] == ["class", "ill", "well"]
    known = bcfl("predict", str(directory), "--data", str(table), "--out", str(tmp_path / "out.csv"))
    assert "400 samples: accuracy 9" in known.stderr
