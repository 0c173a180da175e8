# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from bcfl.cli import doctor
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.summary import Summary
from bcfl.scenarios.running.progress import PhaseChanged, RunEnded, RunStarted

QUICK = Path(__file__).parents[3] / "scenarios" / "quick.yaml"


@pytest.fixture
def module(monkeypatch):
    """Puts a made-up module where a command looks for the real one."""

    def put(name: str, **contents: object) -> None:
        made = types.ModuleType(name)
        for key, value in contents.items():
            setattr(made, key, value)
        monkeypatch.setitem(sys.modules, name, made)
        parent, _, child = name.rpartition(".")
        monkeypatch.setattr(importlib.import_module(parent), child, made, raising=False)

    return put


class TestCheck:
    def test_says_what_would_run(self, command):
        outcome = command("check", str(QUICK), "--set", "task.rounds=4", "--seed", "9")
        assert outcome.status == 0
        assert "4 rounds with 3 trainers (seed 9)" in outcome.out

    def test_resolved_prints_a_scenario(self, command, tmp_path):
        path = tmp_path / "resolved.yaml"
        path.write_text(command("check", str(QUICK), "--resolved").out)
        assert load(path) == load(QUICK)


class TestNew:
    @pytest.mark.parametrize("name", ["my-first", "null", "true"])
    def test_writes_a_commented_scenario_that_is_right(self, command, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        assert command("new", name).status == 0
        assert load(tmp_path / f"{name}.yaml").name == name
        assert (tmp_path / f"{name}.yaml").read_text().count("#") > 30

    def test_overwrites_nothing(self, command, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.yaml").write_text("mine")
        outcome = command("new", "mine.yaml")
        assert (outcome.status, (tmp_path / "mine.yaml").read_text()) == (2, "mine")
        assert "mine.yaml exists" in outcome.err


class TestCatalog:
    def test_lists_kinds_entries_parameters_and_sources(self, command):
        shown = command("catalog").out
        assert "\nnetwork\n" in shown
        assert "mnist_cnn" in shown
        assert "dropout: float, default 0.25" in shown
        assert "ratios: tuple[float, ...], required" in shown
        assert "[Shapley 1953" in shown

    def test_json_is_for_programs(self, command):
        entries = json.loads(command("catalog", "--json").out)
        fedavg = next(entry for entry in entries if entry["name"] == "fedavg")
        assert fedavg["kind"] == "aggregator"
        assert fedavg["parameters"][0]["default"] == "samples"


class TestRun:
    @pytest.fixture
    def ran(self, module, a_summary):
        calls = []

        @dataclass(frozen=True)
        class RunResult:
            directory: Path
            summary: Summary

        async def run(scenario, *, out, data_dir, only, observer, cluster):
            calls.append((scenario, data_dir, only))
            summary = a_summary(scenario)
            observer(RunStarted(scenario=scenario, trainers=scenario.trainer_names, evaluators=("alice",)))
            with RunDirectory.create(scenario, out=out) as directory:
                directory.append_event({"event": "TaskCreated", "source": "chain", "time": 1, "block": 1})
                directory.write_summary(summary)
            observer(RunEnded(summary=summary))
            return RunResult(directory.path, summary)

        module("bcfl.scenarios.running.runner", run=run, RunResult=RunResult)
        return calls

    def test_runs_shows_and_reports(self, command, ran, tmp_path):
        out = tmp_path / "out"
        outcome = command("run", str(QUICK), "--out", str(out), "--data-dir", str(tmp_path), "--seed", "4")
        assert (outcome.status, outcome.err) == (0, "")
        assert "event=run_started scenario=quick seed=4 trainers=3" in outcome.out
        assert outcome.out.splitlines()[-1] == f"report: {out / 'report.html'}"
        assert (out / "report.html").is_file()
        assert ran[0][0].seed == 4
        assert ran[0][1:] == (tmp_path, None)

    def test_hosts_only_whom_it_is_told(self, command, ran, tmp_path):
        command("run", str(QUICK), "--out", str(tmp_path / "out"), "--only", "publisher,keeper")
        assert ran[0][2] == ("publisher", "keeper")

    def test_json_is_all_there_is_on_standard_output(self, command, ran, tmp_path):
        outcome = command("run", str(QUICK), "--out", str(tmp_path / "out"), "--json")
        assert [json.loads(line)["event"] for line in outcome.out.splitlines()] == [
            "run_started",
            "run_ended",
        ]

    def test_a_wrong_file_is_not_run(self, command, ran, tmp_path):
        assert command("run", str(QUICK), "--set", "task.rounds=0").status == 2
        assert ran == []


class TestAgent:
    @pytest.fixture
    def taken_part(self, module):
        calls = []

        async def take_part(path, names, *, url, data_dir, observer):
            calls.append((path, names, url, data_dir))
            observer(PhaseChanged(round=1, phase="training"))
            return dict.fromkeys(names, 1_500_000_000)

        module("bcfl.scenarios.running.participant", take_part=take_part)
        return calls

    def test_acts_for_some_and_says_what_they_were_paid(self, command, taken_part, tmp_path):
        path = RunDirectory.create(load(QUICK), out=tmp_path / "out").path
        outcome = command(
            "agent", str(path), "bob", "david", "--url", "ws://x:1", "--data-dir", str(tmp_path)
        )
        assert (outcome.status, outcome.err) == (0, "")
        assert taken_part == [(path, ("bob", "david"), "ws://x:1", tmp_path)]
        assert outcome.out.splitlines()[-2:] == [
            "bob was paid 1.5000 tokens",
            "david was paid 1.5000 tokens",
        ]

    def test_what_is_no_run_is_one_sentence(self, command, taken_part, tmp_path):
        outcome = command("agent", str(tmp_path / "nowhere"), "bob")
        assert (outcome.status, taken_part) == (2, [])
        assert "no directory" in outcome.err

    def test_somebody_has_to_act(self, command, taken_part, tmp_path):
        assert command("agent", str(tmp_path)).status == 2
        assert taken_part == []


class TestAudit:
    @pytest.fixture
    def run_in(self, tmp_path):
        return RunDirectory.create(load(QUICK), out=tmp_path / "out").path

    @dataclass(frozen=True)
    class Result:
        findings: tuple[str, ...]
        checked: int

    def audited(self, module, result):
        async def audit(directory, data_dir=None, url=None):
            assert isinstance(directory, Path)
            self.url = url
            return result

        module("bcfl.scenarios.audit.audit", audit=audit)

    def test_agreement_is_status_0(self, command, module, run_in):
        self.audited(module, self.Result((), 15))
        outcome = command("audit", str(run_in))
        assert (outcome.status, "15 events, scores and digests" in outcome.out) == (0, True)
        assert (self.url, "not against a chain (give --url)" in outcome.out) == (None, True)

    def test_the_chain_that_was_asked_is_named(self, command, module, run_in):
        self.audited(module, self.Result((), 15))
        outcome = command("audit", str(run_in), "--url", "ws://name:secret@127.0.0.1:8545/key")
        assert (outcome.status, self.url) == (0, "ws://name:secret@127.0.0.1:8545/key")
        assert "and the chain at ws://127.0.0.1:8545/…;" in outcome.out

    def test_each_difference_is_named_and_the_status_is_8(self, command, module, run_in):
        self.audited(module, self.Result(("round 2: score of bob", "round 3: digest"), 15))
        outcome = command("audit", str(run_in))
        assert outcome.status == 8
        assert outcome.out.splitlines()[:2] == ["round 2: score of bob", "round 3: digest"]

    def test_what_is_no_run_is_one_sentence(self, command, tmp_path):
        outcome = command("audit", str(tmp_path / "nowhere"))
        assert outcome.status == 2
        assert "no directory" in outcome.err


def test_replay_prints_the_table_or_the_digest(command, module, a_summary, tmp_path):
    scenario = load(QUICK)
    path = RunDirectory.create(scenario, out=tmp_path / "out").path
    module(
        "bcfl.scenarios.directory.replay",
        replayed=lambda directory: a_summary(directory.scenario()),
        run_digest=lambda _: "ab" * 32,
    )
    assert "quick · seed 1" in command("replay", str(path)).out
    assert command("replay", str(path), "--digest").out == "ab" * 32 + "\n"


class TestData:
    def test_list_shows_every_dataset_and_the_cache(self, command, monkeypatch, tmp_path):
        monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path))
        shown = command("data", "list").out
        assert "synthetic" in shown
        assert "bcfl data fetch mnist" in shown
        assert f"cache: {tmp_path}" in shown

    def test_fetch_says_what_came(self, command):
        outcome = command("data", "fetch", "synthetic")
        assert "2,000 samples to train, 500 to test" in outcome.out

    def test_fetching_an_unknown_dataset_names_the_nearest(self, command):
        outcome = command("data", "fetch", "mnits")
        assert (outcome.status, "'mnist'" in outcome.err) == (2, True)


class TestDoctor:
    def test_looks_at_everything(self, command):
        outcome = command("doctor")
        for name in (
            "python",
            "torch",
            "coincurve",
            "contracts",
            "anvil",
            "node",
            "ipfs",
            "geth",
            "cache",
            "data",
        ):
            assert f"  {name:9}  " in outcome.out

    def test_what_is_missing_comes_with_its_remedy_and_status_1(self, command, monkeypatch, tmp_path):
        monkeypatch.setenv("BCFL_ANVIL", str(tmp_path / "nothing"))
        outcome = command("doctor")
        assert outcome.status == 1
        assert "!!  anvil" in outcome.out
        assert "BCFL_ANVIL" in outcome.out

    def test_what_is_optional_does_not_fail(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        found = {finding.name: finding for finding in doctor.findings()}
        assert not found["ipfs"].ok
        assert found["ipfs"].optional
        assert found["ipfs"].remedy

    def test_a_cache_that_cannot_be_written_is_found(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path / "file"))
        assert not {finding.name: finding for finding in doctor.findings()}["cache"].ok


@pytest.mark.anvil
def test_devnet_prints_its_address_and_ends_with_the_signal():
    program = Path(sys.executable).parent / "bcfl"
    with subprocess.Popen(
        [program, "devnet", "--block-time", "0.5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ws://127.0.0.1:")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            anvil = children.read_text().split() if children.exists() else []
            process.send_signal(2)
            _, err = process.communicate(timeout=15)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 130
    assert err.endswith("stopped\n")
    for pid in anvil:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
