# SPDX-License-Identifier: Apache-2.0
"""``bcfl sweep`` for real: cells are runs, an interrupted sweep goes on, a failure stops nobody, targets decide."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bcfl.scenarios.definition.loading import resolved
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import expand

pytestmark = pytest.mark.timeout(300)

BCFL = Path(sys.executable).with_name("bcfl")
SWEEP = """\
name: tiny
base:
  name: cell
  task: {rounds: ROUNDS, network: {name: mlp, hidden: 8}, training: {learning_rate: 0.1}}
  data: {dataset: {name: synthetic, samples: 400, test_samples: 100}}
attacks:
  flip: {behaviour: sign_flip, group: ring}
  zero: {behaviour: zero}
defences:
  ours: {task.defence: pipeline}
heterogeneity:
  skewed: {data.partition: {name: dirichlet, alpha: 0.5}}
fractions: [0.25]
trainers: [4]
seeds: [5]
"""
TARGETS = """\
targets:
  - {name: found, where: {attack: zero}, metric: recall, statistic: pooled, at_least: 1}
  - {name: alive, metric: liveness, statistic: min, at_least: BOUND}
"""


@pytest.fixture
def sweep_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SWEEP.replace("ROUNDS", "3"))
    return path


@pytest.fixture
def sweep(tmp_path):
    def call(file, *options):
        return subprocess.run(
            [str(BCFL), "sweep", str(file), "--out", str(tmp_path / "out"), "--jobs", "2", *options],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return call


def table(directory):
    with (directory / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def cells_in(directory):
    return {path.name: json.loads(path.read_text()) for path in (directory / "cells").glob("*.json")}


@pytest.mark.anvil
def test_every_cell_is_the_run_of_its_scenario_and_the_same_command_again_runs_none(
    sweep_file, sweep, tmp_path
):
    done = sweep(sweep_file)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = expand(load_sweep(sweep_file))
    assert [cell.labels.attack for cell in cells] == ["none", "absent", "flip", "zero"]
    kept = cells_in(tmp_path / "out")
    assert len(kept) == 4
    for cell in cells[2:]:
        scenario = tmp_path / f"{cell.labels.attack}.yaml"
        scenario.write_text(resolved(cell.scenario))
        run = tmp_path / f"run-{cell.labels.attack}"
        told = subprocess.run(
            [str(BCFL), "run", str(scenario), "--out", str(run)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        alone = json.loads((run / "summary.json").read_text())
        swept = kept[f"{cell.key}.json"]["summary"]
        for name in ("final", "genesis", "detection", "participants", "tokens", "events", "status"):
            assert swept[name] == alone[name], (cell.labels.name, name)
        for one, other in zip(swept["rounds"], alone["rounds"], strict=True):
            for name in ("scores", "tokens", "rejected", "suspended", "ejected", "global_loss"):
                assert one[name] == other[name], (cell.labels.name, name)
    assert not list((tmp_path / "out" / "runs").iterdir())
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows] == ["completed"] * 4
    assert float(rows[2]["accuracy_gap"]) == pytest.approx(
        float(rows[1]["accuracy"]) - float(rows[2]["accuracy"])
    )

    before = (tmp_path / "out" / "table.csv").read_bytes()
    again = sweep(sweep_file)
    assert "4 cells, 4 of them done before" in again.stdout
    assert "completed" not in again.stdout
    assert (tmp_path / "out" / "table.csv").read_bytes() == before
    targets = tmp_path / "targets.yaml"
    targets.write_text(TARGETS.replace("BOUND", "1.5"))
    checked = sweep(sweep_file, "--check", str(targets))
    assert checked.returncode == 9, checked.stdout + checked.stderr
    assert checked.stdout.index("MISSED") < checked.stdout.index("met   ")


@pytest.mark.anvil
def test_a_cell_that_fails_is_reported_and_stops_no_other(sweep_file, sweep, tmp_path):
    # twelve classes for a network of ten: no rule of a scenario knows, its data do
    bad = "  bad: {data.dataset.classes: 12, task.network.classes: 10}\n"
    text = sweep_file.read_text().replace("defences:\n", f"defences:\n{bad}")
    sweep_file.write_text(text)
    done = sweep(sweep_file, "--cells", "^(none|zero)/")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {(row["attack"], row["defence"]): row for row in table(tmp_path / "out")}
    assert {key: row["status"] for key, row in rows.items()} == {
        (attack, defence): "completed" if defence == "ours" else "failed"
        for attack in ("none", "absent", "zero")
        for defence in ("ours", "bad")
    }
    assert "12 classes and the network 'mlp' tells 10 apart" in rows["none", "bad"]["sentence"]
    assert "3 of 6 cells failed" in done.stdout
    assert "Failed cells: 3" in (tmp_path / "out" / "report.md").read_text()
    again = sweep(sweep_file, "--cells", "^none/bad")
    assert again.stdout.startswith("1 cells; 1 at once")


def children_of(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


@pytest.fixture
def long_sweep(sweep_file, tmp_path):
    """A sweep under way, and a way to wait until both its workers run a devnet."""
    # at the usual rate this many rounds of this small task end in divergence, for which trainers remove the evaluator
    sweep_file.write_text(SWEEP.replace("ROUNDS", "30").replace("learning_rate: 0.1", "learning_rate: 0.01"))
    output = tmp_path / "printed"
    with output.open("w") as file:
        process = subprocess.Popen(
            [str(BCFL), "sweep", str(sweep_file), "--out", str(tmp_path / "out"), "--jobs", "2"],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def busy():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, output.read_text()
            workers = children_of(process.pid)
            devnets = [devnet for worker in workers for devnet in children_of(worker)]
            if len(workers) == len(devnets) == 2:
                return workers, devnets
            time.sleep(0.1)
        pytest.fail(output.read_text())

    yield process, busy, output
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.mark.anvil
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_the_sweep_with_all_its_processes(long_sweep, tmp_path, number, status):
    process, busy, output = long_sweep
    workers, devnets = busy()
    os.kill(process.pid, number)
    assert process.wait(30) == status, output.read_text()
    assert "stopped" in output.read_text()
    time.sleep(0.5)
    assert [pid for pid in (*workers, *devnets) if alive(pid)] == []


@pytest.mark.anvil
def test_a_worker_that_dies_is_a_failed_cell_and_a_new_worker_goes_on(long_sweep, tmp_path):
    process, busy, output = long_sweep
    workers, devnets = busy()
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(200) == 0, output.read_text()  # four cells on what cores the other tests leave
    for devnet in devnets:  # the one whose worker was killed has nobody left to end it
        if alive(devnet):
            os.kill(devnet, signal.SIGKILL)
    rows = table(tmp_path / "out")
    assert sorted(row["status"] for row in rows) == ["completed"] * 3 + ["failed"]
    (sentence,) = [row["sentence"] for row in rows if row["status"] == "failed"]
    assert sentence.startswith("The worker process ended with status -9 while it ran this cell")


@pytest.mark.anvil
def test_workers_of_a_killed_sweep_end_themselves(long_sweep):
    process, busy, _ = long_sweep
    workers, devnets = busy()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in (*workers, *devnets)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
