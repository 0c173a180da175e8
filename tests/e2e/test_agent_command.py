# SPDX-License-Identifier: Apache-2.0
"""``bcfl run --only`` and ``bcfl agent``: one run in several processes, killed and started again, as in one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BCFL = Path(sys.executable).with_name("bcfl")
QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"
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
  schedule: {closing_s: 2}
data:
  dataset: {name: synthetic, samples: 400, test_samples: 100}
population:
  trainers: [{name: anna}, {name: ben}, {name: cleo, flipped: 0.5}, {name: dora}]
compute: {executor: threads, workers: 1}
"""


class Agents:
    """Processes of ``bcfl agent``."""

    def __init__(self, tmp_path: Path) -> None:
        self._tmp_path = tmp_path
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, run: Path, *names: str) -> subprocess.Popen[bytes]:
        with (self._tmp_path / f"{'-'.join(names)}.out").open("ab") as output:
            process = subprocess.Popen(
                [str(BCFL), "agent", str(run), *names], stdout=output, stderr=subprocess.STDOUT
            )
        self.running.append(process)
        return process

    def said(self, *names: str) -> str:
        return (self._tmp_path / f"{'-'.join(names)}.out").read_text()


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.wait()


@pytest.fixture
def node() -> Iterator[str]:
    """A devnet that makes a block by itself, as any other node."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [str(BCFL), "devnet", "--port", str(port), "--block-time", "0.4"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"ws://")
    yield f"ws://127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


def until(condition: Callable[[], bool], *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wrote(path: Path, words: str) -> bool:
    return path.is_file() and words in path.read_text()


def tables(directory: Path) -> dict[str, object]:
    """What does not depend on who paid how much for blocks, and when."""
    told = json.loads((directory / "summary.json").read_text())
    for round_ in told["rounds"]:
        del round_["gas"]
        if round_["agreement"] is not None:
            # a majority agrees; whose vote comes first is the chain's affair
            del round_["agreement"]["votes"], round_["agreement"]["not_voted"]
    del told["timings"], told["gas"], told["events"], told["detection"]["liveness"]
    return told


def test_members_in_processes_of_their_own_come_to_the_same_also_when_one_is_killed(
    start, finished, outcome, agents, node, tmp_path
):
    scenario = tmp_path / "tiny.yaml"
    scenario.write_text(CONSORTIUM)
    host = start("--only", "publisher,keeper", "--set", f"chain.url={node}", scenario=scenario)
    until((host.directory / "chain.json").is_file)
    members = [agents.start(host.directory, name) for name in ("anna", "ben", "cleo")]
    killed = agents.start(host.directory, "dora")
    log = host.directory / "agents" / "dora.events.jsonl"
    until(lambda: wrote(log, '"commit_scores"'))
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(20) == -signal.SIGKILL
    members.append(agents.start(host.directory, "dora"))
    assert [member.wait(120) for member in members] == [0] * 4, agents.said("dora")
    assert host.end() == 0, host.text
    assert "dora was paid " in agents.said("dora")
    alone = finished(scenario=scenario)
    assert outcome(host.directory) == outcome(alone)
    assert tables(host.directory) == tables(alone)
    # each said what it did in its own log, and what it said stands in the run's
    told = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert {"trained", "judged", "aggregated"} <= set(told)
    assert told.count("trained") == 2
    assert told[-1] == "agent_ended"
    run = (host.directory / "events.jsonl").read_text()
    assert all(line in run for line in log.read_text().splitlines())


def test_a_crowd_in_processes_of_its_own_on_a_devnet_that_the_first_one_starts(
    start, finished, outcome, agents
):
    soon = ("--set", "task.schedule.closing_s=2", "--set", "chain.block_time=0.4")
    host = start("--only", "publisher,david,keeper", *soon)
    until((host.directory / "chain.json").is_file)
    stopped = agents.start(host.directory, "alice")
    trainers = agents.start(host.directory, "bob", "charlie")
    until(lambda: wrote(host.directory / "agents" / "alice.events.jsonl", '"scored"'))
    os.kill(stopped.pid, signal.SIGTERM)
    assert stopped.wait(20) == 143
    evaluator = agents.start(host.directory, "alice")
    assert evaluator.wait(120) == 0, agents.said("alice")
    assert trainers.wait(60) == 0, agents.said("bob", "charlie")
    assert host.end() == 0, host.text
    alone = finished(*soon)
    assert outcome(host.directory) == outcome(alone)
    assert tables(host.directory) == tables(alone)


def test_who_acts_already_is_left_alone(start, agents, node, bcfl):
    host = start("--only", "publisher,keeper", "--set", f"chain.url={node}")
    until((host.directory / "chain.json").is_file)
    until(lambda: "run_started" in host.text)
    refused = bcfl("agent", str(host.directory), "keeper")
    assert refused.returncode == 4
    assert "Another process writes the journal" in refused.stderr
    other = bcfl("agent", str(host.directory), "bobby")
    assert other.returncode == 2
    assert "called 'bobby'; the nearest is 'bob'" in other.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "drives this run's clock"),
        (("--set", "chain.block_time=1", "--set", "storage.kind=memory"), "directory or kubo"),
    ],
)
def test_what_processes_cannot_share_is_refused(bcfl, tmp_path, options, words):
    result = bcfl("run", str(QUICK), "--only", "publisher,keeper", "--out", str(tmp_path / "run"), *options)
    assert result.returncode == 2
    assert words in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_publisher_stays_with_who_sets_the_run_up(bcfl, tmp_path):
    result = bcfl("run", str(QUICK), "--only", "keeper", "--set", "chain.block_time=1")
    assert result.returncode == 2
    assert "add 'publisher' to --only" in result.stderr
