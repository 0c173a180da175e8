# SPDX-License-Identifier: Apache-2.0
"""``bcfl resume``: a run that was killed (SIGKILL) in any phase, on any chain, comes to the same as one that was left alone.

Phases are sampled here; ``make chaos`` (``BCFL_EVERY_PHASE``) goes through all of them.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from bcfl.scenarios.directory.replay import run_digest
from bcfl.scenarios.directory.run_directory import RunDirectory

pytestmark = [pytest.mark.timeout(300)]

LONG = ("--set", "task.training.epochs=40")  # so that a kill meets trainers at work
SOON = ("--set", "task.schedule.closing_s=2")


def reached(path: Path, words: str) -> bool:
    return path.is_file() and words in path.read_text(errors="replace")


def killed(run, file: str, words: str) -> None:
    """Wait until that file of the run's has these words, and kill it as a power cut would."""
    deadline = time.monotonic() + 90
    while not reached(run.directory / file, words):
        assert time.monotonic() < deadline, run.text
        assert run.process.poll() is None, run.text
        time.sleep(0.002)
    run.process.kill()
    assert run.process.wait() == -signal.SIGKILL, run.text


@pytest.fixture
def resumed(bcfl):
    def call(directory: Path, *options: str) -> None:
        done = bcfl("resume", str(directory), *options)
        assert done.returncode == 0, done.stderr
        assert f"report: {directory / 'report.html'}" in done.stdout
        # what was only for going on is gone
        assert not list(directory.glob("blocks.*"))
        assert not list(directory.glob("devnet.*"))

    return call


def digest(directory: Path) -> str:
    return run_digest(RunDirectory.open(directory))


def sampled(*cases, more):
    """For ``parametrize``: those of every run of the tests, and the others."""
    thorough = [one if isinstance(one, tuple) else (one,) for one in more]
    return [*cases, *(pytest.param(*one, marks=pytest.mark.thorough) for one in thorough)]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The long run, left alone: made once."""
    known: dict[tuple[str, ...], Path] = {}

    def call(start, *options: str) -> Path:
        if options not in known:
            run = start(*options)
            assert run.end() == 0, run.text
            kept = tmp_path_factory.mktemp("undisturbed") / "run"
            run.directory.rename(kept)
            known[options] = kept
        return known[options]

    return call


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("file", "words"),
    sampled(
        ("scenario.yaml", "name"),  # before its chain is there
        ("events.jsonl", "RoundStarted"),  # in training
        ("final.safetensors", ""),  # while it writes its tables
        more=[
            ("blocks.jsonl", '"number": 1'),  # while contracts are deployed
            ("events.jsonl", "run_started"),
            ("events.jsonl", '"commit"'),
            ("events.jsonl", '"reveal"'),  # in scoring
            ("events.jsonl", '"scored"'),
            ("events.jsonl", "TaskCompleted"),
        ],
    ),
)
def test_on_its_own_devnet_the_log_comes_out_as_of_a_run_that_nobody_killed(
    start, undisturbed, resumed, file, words
):
    run = start(*LONG)
    killed(run, file, words)
    resumed(run.directory)
    assert digest(run.directory) == digest(undisturbed(start, *LONG))


@pytest.mark.anvil
@pytest.mark.parametrize("cut", [0, 300, None])
def test_killed_while_it_writes_what_it_came_to(start, undisturbed, resumed, cut):
    """With a part of ``summary.json``, as a power cut may leave it, or with all of it and no digests."""
    whole = (undisturbed(start, *LONG) / "summary.json").read_bytes()
    run = start(*LONG)
    killed(run, "events.jsonl", '"scored"')
    (run.directory / "summary.json").write_bytes(whole[:cut])
    resumed(run.directory)
    assert digest(run.directory) == digest(undisturbed(start, *LONG))


@pytest.mark.anvil
def test_twice_killed_with_blocks_that_are_final_late_and_lines_cut_off(start, begin, undisturbed, resumed):
    late = (*LONG, "--set", "chain.confirmations=2")
    run = start(*late)
    killed(run, "events.jsonl", '"commit"')
    for name in ("events.jsonl", "blocks.jsonl"):
        with (run.directory / name).open("a") as file:
            file.write('{"number": 99, "event')
    again = begin(run.directory, "resume")
    killed(again, "events.jsonl", '"scored"')
    resumed(run.directory)
    assert digest(run.directory) == digest(undisturbed(start, *late))


@pytest.mark.anvil
@pytest.mark.parametrize("words", sampled('"judged"', more=['"trained"', '"commit_scores"', '"aggregated"']))
def test_a_consortium(start, resumed, tiny, words):
    alone = start(scenario=tiny)
    assert alone.end() == 0, alone.text
    run = start(scenario=tiny)
    killed(run, "events.jsonl", words)
    resumed(run.directory)
    assert digest(run.directory) == digest(alone.directory)


def came_to(directory: Path) -> object:
    """Final model and tokens."""
    told = json.loads((directory / "summary.json").read_text())
    return told["status"], told["final"]["cid"], {n: p["tokens"] for n, p in told["participants"].items()}


@pytest.mark.anvil
@pytest.mark.parametrize(
    "words", sampled(more=["TaskCreated", '"trained"', '"reveal"', '"scored"', "TaskCompleted"])
)
def test_a_devnet_with_blocks_of_its_own_time(start, finished, resumed, bcfl, words):
    timed = (*SOON, "--set", "chain.block_time=1")
    run = start(*timed)
    killed(run, "events.jsonl", words)
    resumed(run.directory)
    assert came_to(run.directory) == came_to(finished(*SOON))
    assert bcfl("audit", str(run.directory)).returncode == 0
    log = [json.loads(line) for line in (run.directory / "events.jsonl").read_text().splitlines()]
    events = [json.dumps(line["origin"], sort_keys=True) for line in log if line["source"] == "chain"]
    assert len(events) == len(set(events))  # nothing was written twice


@pytest.mark.geth
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "words", sampled('"reveal"', more=["TaskCreated", '"trained"', '"scored"', "TaskCompleted"])
)
async def test_on_geth(start, finished, resumed, tmp_path, daemons, words):
    async with daemons.running_geth(tmp_path, period=1) as url:
        run = start(*SOON, "--set", f"chain.url={url}")
        killed(run, "events.jsonl", words)
        resumed(run.directory)
    assert came_to(run.directory) == came_to(finished(*SOON))


@pytest.mark.anvil
def test_the_host_of_a_run_in_several_processes(start, begin, finished, bcfl):
    timed = (*SOON, "--set", "chain.block_time=1")
    host = start("--only", "publisher,alice,keeper", *timed)
    deadline = time.monotonic() + 60
    while not (host.directory / "chain.json").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    trainers = begin(host.directory, "agent", "bob", "charlie", "david")
    killed(host, "events.jsonl", '"scored"')
    done = bcfl("resume", str(host.directory))  # on the same port, where the trainers look for it
    assert done.returncode == 0, done.stderr
    assert trainers.end() == 0, trainers.text
    assert came_to(host.directory) == came_to(finished(*SOON))


@pytest.mark.anvil
def test_ctrl_c_says_how_to_go_on_and_replay_that_it_can(start, bcfl, resumed):
    run = start(*LONG)
    run.until("phase=training")
    run.process.send_signal(signal.SIGSTOP)  # or it would be over before it is asked about
    refused = bcfl("resume", str(run.directory))
    assert refused.returncode == 2
    assert "Another process carries out the run" in refused.stderr
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGCONT)
    assert run.end() == 130
    assert run.text.rstrip().endswith(f"stopped; 'bcfl resume {run.directory}' goes on with this run")
    told = bcfl("replay", str(run.directory))
    assert told.returncode == 0, told.stderr
    assert "interrupted" in told.stdout
    assert f"'bcfl resume {run.directory}' goes on with it" in " ".join(told.stdout.split())
    agent = bcfl("agent", str(run.directory), "bob")
    assert agent.returncode == 2
    resumed(run.directory)
    before = (run.directory / "summary.json").read_bytes()
    assert bcfl("resume", str(run.directory)).returncode == 0
    assert (run.directory / "summary.json").read_bytes() == before
    assert "goes on" not in bcfl("replay", str(run.directory)).stdout


@pytest.mark.anvil
def test_what_cannot_go_on_says_why_and_loses_nothing(start, bcfl):
    run = start(*LONG)
    killed(run, "events.jsonl", "RoundStarted")
    blocks = run.directory / "blocks.jsonl"
    whole = blocks.read_text()
    lines = whole.splitlines(keepends=True)
    for damaged, words in (
        ("".join(lines[1:]), "Blocks are missing"),
        (whole.replace('"transactions": ["02', '"transactions": ["zz', 1), "is damaged"),
    ):
        blocks.write_text(damaged)
        refused = bcfl("resume", str(run.directory))
        assert refused.returncode == 2, refused.stderr
        assert words in refused.stderr
    first = json.loads(lines[0])
    blocks.write_text(json.dumps({**first, "hash": "0x" + "0" * 64}) + "\n" + "".join(lines[1:]))
    other = bcfl("resume", str(run.directory))
    assert other.returncode == 4
    assert "Block 0 of the run comes out with the hash" in other.stderr
    blocks.write_text(whole)
    assert bcfl("resume", str(run.directory)).returncode == 0


def test_a_store_in_memory_is_gone(bcfl, honest):
    scenario = honest / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("kind: directory", "kind: memory"))
    (honest / "digests.json").unlink()
    gone = bcfl("resume", str(honest))
    assert gone.returncode == 2
    assert "kept its models in memory" in gone.stderr


def test_a_directory_without_a_run(bcfl, tmp_path):
    for directory in (tmp_path, tmp_path / "nowhere"):
        refused = bcfl("resume", str(directory))
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
