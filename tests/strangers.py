# SPDX-License-Identifier: Apache-2.0
"""Persons with homes of their own, the commands that they give, and their agents as processes, on a devnet with blocks of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bcfl.chain.devnet import Devnet

__all__ = ("Person", "crowd_task", "person", "prepared", "table", "until", "ward_task")

BCFL = str(Path(sys.executable).with_name("bcfl"))


def crowd_task(*, rounds, budget=30, enrolment_s=120, capacity=3, kept=None):
    """A crowd's task on the samples of ``table``, with time enough for who is started again."""
    return f"""\
name: crowd
task:
  rounds: {rounds}
  network: {{name: mlp, inputs: 8, classes: 4, hidden: 8}}
  training: {{learning_rate: 0.1, epochs: 1}}
  reward: {{budget: "{budget}"}}
  membership: {{minimum: 3, capacity: {capacity}}}
  retention: {{models: {kept or "null"}, updates: {kept or "null"}}}
  schedule: {{enrolment_s: {enrolment_s}, training_s: 60, reveal_s: 60, evaluation_s: 90, closing_s: 4}}
"""


def ward_task(*, rounds, per_round, budget, enrolment_s=120):
    """The same of a consortium."""
    return f"""\
name: ward
task:
  kind: consortium
  rounds: {rounds}
  network: {{name: tabular, inputs: 8, classes: 4}}
  training: {{learning_rate: 0.1, epochs: 1}}
  score: {{name: shapley, value: balanced_probability}}
  reward: {{mode: round_budget, per_round: "{per_round}", budget: "{budget}"}}
  schedule: {{enrolment_s: {enrolment_s}, training_s: 60, reveal_s: 60, evaluation_s: 60, aggregation_s: 60, closing_s: 4}}
"""


class Person:
    """A home of their own, and the commands that they give."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("BCFL_NETWORK")},
            "BCFL_HOME": str(folder / "home"),
            "BCFL_PASSWORD": "secret",
        }
        self.agents = []

    def tried(self, *words, **environment):
        return subprocess.run(
            [BCFL, *words],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def does(self, *words):
        done = self.tried(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    def lives(self, role, key, *words, **environment):
        output = self.folder / f"{key}.out"
        named = "--name" if role == "auditor" else "--key"
        with output.open("a") as file:
            process = subprocess.Popen(
                [BCFL, "agent", role, "--network", "local", named, key, *words],
                cwd=self.folder,
                env={**self.environment, **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.agents.append(process)
        return process

    def diary(self, key):
        path = self.folder / "home" / "agents" / "local" / key / "diary.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def end(self):
        for process in self.agents:
            if process.poll() is None:
                process.kill()
                process.wait()


def table(path, seed, rows=80, numbers=8):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(4, numbers))
    classes = rng.permutation(np.arange(rows) % 4)
    values = centres[classes] + rng.normal(size=(rows, numbers))
    lines = [",".join([f"v{n}" for n in range(numbers)] + ["kind"])]
    lines += [
        ",".join([*(f"{value:.4f}" for value in row), str(label)])
        for row, label in zip(values, classes, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


def until(done, what, seconds=200):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.25)


def prepared(person, keys, *, store=None):
    """A network with contracts, and keys with ether; models lie in a directory, or where ``store`` says."""
    person.does(
        "networks",
        "add",
        "local",
        "--rpc",
        person.url,
        "--confirmations",
        "1",
        "--store",
        store or f"directory:{person.folder / 'store'}",
    )
    for key in keys:
        person.does("keys", "new", key)
    person.does("send", *keys, "--network", "local", "--from-node", "--ether", "5")
    person.does("deploy", "--network", "local", "--key", "owner")


@contextlib.asynccontextmanager
async def person(folder, *, block_time=1):
    """Somebody at a chain that nobody uses yet; ``prepared`` puts contracts there."""
    async with Devnet.start(block_time=block_time) as devnet:
        made = Person(folder, devnet.url)
        try:
            yield made
        finally:
            made.end()
