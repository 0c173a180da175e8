# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.scenarios.directory.digests import digest_findings, write_digests
from bcfl.scenarios.directory.run_directory import RunDirectory

LINES = "abcdef"


@pytest.fixture
def directory(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.scenario_file.write_text("name: x\n")
    directory.events_file.write_text("".join(f"{one}\n" for one in LINES))
    write_digests(directory)
    return directory


def found(directory, lines=LINES):
    directory.events_file.write_text("".join(f"{one}\n" for one in lines))
    return [
        (one.where.removeprefix("events.jsonl, line "), one.message) for one in digest_findings(directory)
    ]


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        ("abXdef", {"3": "not the line that the run wrote"}),
        ("XbcdeY", {"1": "not the line", "6": "not the line"}),
        ("abdef", {"3": "a line is missing before it, written as line 3"}),
        ("adef", {"2": "2 lines are missing before it, written as line 2"}),
        ("abcde", {"6": "a line is missing before it, written as line 6"}),
        ("abXcdef", {"3": "the run wrote no such line"}),
        ("abccdef", {"4": "it was written as line 3"}),
        ("", {"1": "6 lines are missing"}),
    ],
)
def test_each_line_that_is_not_the_runs_is_named(directory, lines, places):
    told = found(directory, lines)
    assert [where for where, _ in told] == list(places)
    assert all(message in said for (_, said), message in zip(told, places.values(), strict=True))


def test_a_line_that_was_moved_is_named_with_the_place_that_it_had(directory):
    assert ("2", "it was written as line 5 (digests.json)") in found(directory, "aebcdf")


def test_files_are_whole_or_named_and_a_later_report_is_nobodys_affair(directory):
    directory.report_file.write_text("<html>")
    assert found(directory) == []
    write_digests(directory)
    directory.report_file.write_text("<HTML>")
    directory.model_file.write_bytes(b"more")
    directory.scenario_file.unlink()
    assert dict(found(directory)) == {
        "report.html": "it is not the file that the run wrote (digests.json)",
        "final.safetensors": "the run wrote no such file (digests.json)",
        "scenario.yaml": "it is missing",
    }


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"files": {}, "lines": {"events.jsonl": 1}}'])
def test_a_missing_or_damaged_file_is_named(directory, text):
    directory.digests_file.unlink() if text is None else directory.digests_file.write_text(text)
    (where,) = {where for where, _ in found(directory)}
    assert where == "digests.json"
