# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bcfl.models.card import ModelCard
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import RunDirectoryOccupied, RunDirectoryUnreadable, RunDirectoryUnwritable
from bcfl.scenarios.outcome.summary import RoundSummary

_CARD = ModelCard(
    network="mlp",
    parameters={"inputs": 2},
    dataset="it",
    shape=(2,),
    tokens=False,
    scale=1.0,
    labels=("0", "1"),
    pictures=False,
)


@pytest.fixture
def scenario(small_file):
    return load(small_file)


def test_a_run_gets_a_directory_of_its_own_by_name_and_time(tmp_path, scenario):
    first = RunDirectory.create(scenario, root=tmp_path / "runs")
    second = RunDirectory.create(scenario, root=tmp_path / "runs")
    assert re.fullmatch(r"small-\d{8}-\d{6}", first.path.name)
    assert first.path != second.path


def _by(scenario, kernel):
    compute = scenario.compute.model_copy(update={"kernel": kernel})
    return scenario.model_copy(update={"compute": compute})


@pytest.mark.parametrize("kernel", ["torch", "lanes"])
def test_the_scenario_in_it_is_the_one_that_ran(tmp_path, scenario, kernel):
    ran = _by(scenario, kernel)
    directory = RunDirectory.create(ran, root=tmp_path / "runs")
    assert RunDirectory.open(directory.path).scenario() == ran


def test_a_run_of_before_there_was_a_choice_was_by_torch(tmp_path, scenario):
    """Its audit must not compute by what this machine would choose now."""
    directory = RunDirectory.create(scenario, root=tmp_path / "runs")
    assert RunDirectory.open(directory.path).scenario() == _by(scenario, "torch")


def test_an_empty_directory_is_taken_and_an_occupied_one_refused(tmp_path, scenario):
    out = tmp_path / "out"
    out.mkdir()
    RunDirectory.create(scenario, out=out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(RunDirectoryOccupied, match="--out"):
        RunDirectory.create(scenario, out=out)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_a_file_in_the_way_is_refused(tmp_path, scenario):
    (tmp_path / "out").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(RunDirectoryOccupied, match="--out"):
            RunDirectory.create(scenario, out=out)


def test_lines_are_on_disk_as_soon_as_they_are_appended(tmp_path, scenario):
    with RunDirectory.create(scenario, out=tmp_path / "out") as directory:
        directory.append_event({"event": "TaskCreated", "time": 5, "b": 1, "a": "é"})
        directory.append_round(RoundSummary(round=1, global_loss=0.5, global_accuracy=0.9))
        reader = RunDirectory.open(directory.path)
        assert list(reader.events()) == [{"event": "TaskCreated", "time": 5, "b": 1, "a": "é"}]
        assert [done.round for done in reader.rounds()] == [1]
        assert directory.events_file.read_text(encoding="utf-8").startswith('{"a": "é", "b": 1')


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path, scenario):
    with RunDirectory.create(scenario, out=tmp_path / "out") as directory:
        directory.append_event({"event": "A"})
    with directory.events_file.open("a") as file:
        file.write('{"event": "B')
    assert [record["event"] for record in directory.events()] == ["A"]


def test_a_participants_own_log_goes_on_after_a_kill_cut_a_line(tmp_path, scenario):
    with RunDirectory.create(scenario, out=tmp_path / "out") as directory:
        assert list(directory.agent_events("ann")) == []
        assert not directory.agents.exists()
        directory.agents.mkdir()
        directory.append_agent_event("ann", {"event": "A"})
    with directory.agent_events_file("ann").open("a") as file:
        file.write('{"event": "B')
    assert [record["event"] for record in directory.agent_events("ann")] == ["A"]
    with RunDirectory.open(directory.path) as again:
        again.append_agent_event("ann", {"event": "C"})
        again.append_agent_event("ann", {"event": "D"})
    assert [record["event"] for record in directory.agent_events("ann")] == ["A", "C", "D"]
    assert directory.journal_file("ann").parent == directory.agent_log_file("ann").parent == directory.agents


@pytest.fixture
def high_recursion_limit():
    """As the chain's libraries set it: the standard library's JSON parser then crashes on deep nesting."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("high_recursion_limit")
@pytest.mark.parametrize("line", ["{", "[1]", "[" * 100_000, '{"loss": NaN}'])
def test_a_damaged_line_is_named(tmp_path, scenario, line):
    with RunDirectory.create(scenario, out=tmp_path / "out") as directory:
        directory.append_event({"event": "A"})
    with directory.events_file.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunDirectoryUnreadable, match="line 2"):
        list(directory.events())


def test_not_a_number_does_not_enter_the_log(tmp_path, scenario):
    with (
        RunDirectory.create(scenario, out=tmp_path / "out") as directory,
        pytest.raises(ValueError, match="JSON"),
    ):
        directory.append_event({"event": "A", "loss": float("nan")})


def test_addresses_and_model_are_kept(tmp_path, scenario):
    directory = RunDirectory.create(scenario, out=tmp_path / "out")
    directory.write_chain({"chain_id": 31337, "task": "0x00"})
    directory.write_model(b"model", _CARD)
    assert RunDirectory.open(directory.path).chain() == {"chain_id": 31337, "task": "0x00"}
    assert directory.model_file.read_bytes() == b"model"
    assert {path.name for path in directory.path.iterdir()} == {
        "chain.json",
        "final.safetensors",
        "model.json",
        "scenario.yaml",
    }


def test_what_is_no_run_is_refused_in_words(tmp_path):
    with pytest.raises(RunDirectoryUnreadable, match="no directory"):
        RunDirectory.open(tmp_path / "nowhere")
    with pytest.raises(RunDirectoryUnreadable, match=r"scenario\.yaml"):
        RunDirectory.open(tmp_path)
    (tmp_path / "scenario.yaml").write_text("")
    for read in (lambda run: run.chain(), lambda run: list(run.events())):
        with pytest.raises(RunDirectoryUnreadable, match="missing"):
            read(RunDirectory.open(tmp_path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_a_full_disk_is_named_with_the_file_and_what_is_left(tmp_path, scenario):
    directory = RunDirectory.create(scenario, out=tmp_path / "out")
    for name, write in (
        ("events.jsonl", lambda: directory.append_event({"event": "x"})),
        ("final.safetensors", lambda: directory.write_model(b"model", _CARD)),
    ):
        (directory.path / name).symlink_to("/dev/full")
        with pytest.raises(
            RunDirectoryUnwritable, match=rf"{name} cannot be written: No space left .*, [\d,]+ bytes"
        ) as caught:
            write()
        assert caught.value.exit_code == 5
    directory.close()
