# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from bcfl.contracts.event_codec import event_to_json
from bcfl.scenarios.audit.line_order import line_findings
from bcfl.scenarios.directory.event_log import read_event_log
from bcfl.scenarios.errors import RunDirectoryUnreadable

STARTED = {"event": "run_started", "source": "runner", "block": 0, "time": 0, "participants": {}}


def decision(block, event="training", **more):
    record = {
        "event": event,
        "source": "bob",
        "role": "trainer",
        "round": 1,
        "block": block,
        "time": 1000 + block,
    }
    return {**record, **more}


@pytest.fixture
def write(tmp_path):
    def write(*records):
        path = tmp_path / "events.jsonl"
        path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records))
        return path

    return write


@pytest.fixture
def chain(story):
    event = story().created
    block = event.origin.block
    return {"source": "chain", **event_to_json(event), "block": block.number, "time": block.timestamp}


def test_every_damaged_line_is_named_and_the_others_are_read(write, chain):
    log = read_event_log(write(STARTED, "{", chain, "[]", decision(1, round=-1), {**chain, "budget": "all"}))
    assert [line.number for line in log.lines] == [1, 3]
    assert log.line_of(log.lines[1].event) == 3
    assert [found.where for found in log.findings] == [f"events.jsonl, line {n}" for n in (2, 4, 5, 6)]


def test_a_last_line_that_was_cut_off_is_named(write):
    path = write(STARTED, decision(1))
    path.write_text(path.read_text()[:-5])
    (found,) = read_event_log(path).findings
    assert (found.where, found.message) == ("events.jsonl, line 2", "it was cut off")


@pytest.mark.parametrize("change", [{"block": 2}, {"time": 5}, {"note": 1}, {"kind": True}])
def test_an_event_is_written_in_one_way_only(write, chain, change):
    assert len(read_event_log(write(STARTED, {**chain, **change})).findings) == 1


@pytest.mark.parametrize(
    "record",
    [
        decision(1, event="transaction", action="join", status="lost", gas=1, reason=""),
        decision(1, event="trained", loss="low", samples=1, steps=1),
        decision(1, event="goals_measured"),
        {**STARTED, "event": "ended"},
        {
            **STARTED,
            "event": "classes_measured",
            "classes": {"labels": ["a"], "overall": [[0, 1, 2]], "trainers": {}},
        },
        {
            **STARTED,
            "event": "classes_measured",
            "classes": {"labels": ["a"], "overall": [[0, 0]], "trainers": {}},
        },
        {**STARTED, "participants": {"bob": {}}},
        {"event": "retracted", "source": "chain", "block": 1, "time": 1, "blocks": ["one"]},
    ],
)
def test_a_record_has_the_form_of_its_kind(write, record):
    assert len(read_event_log(write(decision(1), record)).findings) == 1


def test_what_the_runner_measured_is_read(write):
    measured = {"labels": ["a", "b"], "overall": [[0, 1, 2]], "trainers": {"bob": []}}
    assert not read_event_log(
        write(STARTED, {**STARTED, "event": "classes_measured", "classes": measured})
    ).findings


def test_a_reorganisation_takes_lines_back(write, chain):
    retracted = {"event": "retracted", "source": "chain", "block": 1, "time": 1001, "blocks": [1]}
    assert [line.number for line in read_event_log(write(STARTED, chain, retracted, chain)).kept] == [4]
    again = read_event_log(write(STARTED, chain, decision(1), retracted, decision(1), chain))
    assert [*line_findings(again)] == []


@pytest.mark.parametrize(
    ("records", "line"),
    [
        ([decision(1), STARTED], 1),
        ([STARTED, STARTED], 2),
        ([STARTED, decision(1), decision(1, time=9)], 3),
        ([STARTED, decision(2), decision(1)], 3),
    ],
)
def test_a_line_that_cannot_stand_there_is_named(write, records, line):
    assert f"events.jsonl, line {line}" in {
        found.where for found in line_findings(read_event_log(write(*records)))
    }


def test_nothing_that_can_be_read_is_one_sentence(write, tmp_path):
    for path in (write("", "{"), tmp_path / "nowhere"):
        with pytest.raises(RunDirectoryUnreadable, match="give a directory that 'bcfl run' wrote"):
            read_event_log(path)
