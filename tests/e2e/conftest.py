# SPDX-License-Identifier: Apache-2.0
"""The real command in a process of its own, on a scenario that takes seconds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BCFL = Path(sys.executable).with_name("bcfl")
QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"


class Started:
    """A command that carries out a run, under way."""

    def __init__(self, directory: Path, *command: str, output: Path | None = None) -> None:
        self.directory = directory
        self.output = output or directory.with_suffix(".out")
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [str(BCFL), *command],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def until(self, word: str, *, timeout_s: float = 60) -> None:
        """Wait until the run has said this."""
        deadline = time.monotonic() + timeout_s
        while word not in self.text:
            assert time.monotonic() < deadline, f"never said {word!r}:\n{self.text}"
            assert self.process.poll() is None, f"ended before {word!r}:\n{self.text}"
            time.sleep(0.05)

    def end(self, *, timeout_s: float = 90) -> int:
        """Wait for the end; the exit status."""
        return self.process.wait(timeout_s)

    @property
    def devnet_pid(self) -> int:
        match = re.search(
            r'"event": "devnet_started".*?"pid": (\d+)', (self.directory / "log.jsonl").read_text()
        )
        assert match is not None
        return int(match[1])

    def stop(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def start(tmp_path: Path):
    """Start ``bcfl run`` of the quick scenario (or another) with options."""
    running: list[Started] = []

    def launch(*options: str, scenario: Path = QUICK) -> Started:
        directory = tmp_path / f"run-{len(running)}"
        running.append(Started(directory, "run", str(scenario), *options, "--out", str(directory)))
        return running[-1]

    yield launch
    for run in running:
        run.stop()


@pytest.fixture
def begin(tmp_path: Path):
    """``begin(directory, "resume")``, ``begin(directory, "agent", "bob")``: another command on a run, under way."""
    running: list[Started] = []

    def launch(directory: Path, command: str, *names: str) -> Started:
        output = tmp_path / f"{command}-{len(running)}.out"
        running.append(Started(directory, command, str(directory), *names, output=output))
        return running[-1]

    yield launch
    for one in running:
        one.stop()


@pytest.fixture
def finished(start: Callable[..., Started]):
    """Run to the end and return the directory; the status must be 0."""

    def launch(*options: str, scenario: Path = QUICK) -> Path:
        run = start(*options, scenario=scenario)
        assert run.end() == 0, run.text
        return run.directory

    return launch


@pytest.fixture(scope="session")
def honest_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("honest") / "run"
    run = Started(directory, "run", str(QUICK), "--out", str(directory))
    assert run.end() == 0, run.text
    return run.directory


@pytest.fixture
def honest(honest_run: Path, tmp_path: Path) -> Path:
    """The directory of a quick run, one's own copy of it."""
    return Path(shutil.copytree(honest_run, tmp_path / "honest"))


CONSORTIUM = """\
name: tiny
seed: 3
task:
  kind: consortium
  rounds: 2
  network: {name: mlp, hidden: 8}
  training: {batch_size: 20}
  score: {name: shapley, value: probability}
  reward: {mode: round_budget, per_round: "10", budget: "24"}
data:
  dataset: {name: synthetic, samples: 400, test_samples: 100}
population:
  trainers: [{name: anna}, {name: ben}, {name: cleo, flipped: 0.8}, {name: dora}]
baselines: [alone, pooled]
compute: {executor: threads}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(CONSORTIUM)
    return path


@pytest.fixture(scope="session")
def consortium_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consortium")
    (folder / "tiny.yaml").write_text(CONSORTIUM)
    run = Started(folder / "run", "run", str(folder / "tiny.yaml"), "--out", str(folder / "run"))
    assert run.end() == 0, run.text
    return run.directory


@pytest.fixture
def bcfl():
    """Another command, to its end."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BCFL), *arguments],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    return call


def summary(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "summary.json").read_text())


@pytest.fixture
def outcome():
    """Content ids of all global models and everybody's tokens."""

    def read(directory: Path) -> tuple[Any, ...]:
        events = [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]
        models = {e["round"]: e["model"] for e in events if e["event"] == "RoundFinalized"}
        told = summary(directory)
        return models, told["final"]["cid"], {n: p["tokens"] for n, p in told["participants"].items()}

    return read
