# SPDX-License-Identifier: Apache-2.0
"""``bcfl sweep`` without a run: what it lists, and what it refuses before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

SWEEP = """\
name: tiny
base: {name: cell, task: {rounds: 1, network: {name: mlp, hidden: 8}}, data: {dataset: {name: synthetic, samples: 400}}}
attacks: {flip: {behaviour: sign_flip}}
fractions: [0.25]
trainers: [4]
seeds: [1]
"""


@pytest.fixture
def sweep_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SWEEP)
    return path


def test_a_dry_run_lists_the_cells_and_runs_none(command, sweep_file, tmp_path):
    done = command("sweep", str(sweep_file), "--dry-run", "--out", str(tmp_path / "out"))
    assert done.status == 0
    assert done.out.splitlines() == [
        "none/as_base/0.0/as_base/4/1",
        "absent/as_base/0.25/as_base/4/1",
        "flip/as_base/0.25/as_base/4/1",
        "3 cells",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cells", "nothing"), "no cell has a name like that"),
        (("--check", "nowhere.yaml"), "There is no targets file nowhere.yaml"),
        (("--limit", "0"), "0 is not in the range"),
        (("--jobs", "none"), "not a valid integer"),
    ],
)
def test_wrong_options_are_one_sentence_and_status_2(command, sweep_file, options, words):
    done = command("sweep", str(sweep_file), *options, "--dry-run")
    assert done.status == 2
    assert words in done.err
    assert done.err.startswith("error: ")
    assert len(done.err.strip().splitlines()) == 1


def test_a_wrong_file_is_one_sentence_and_status_2(command, tmp_path):
    done = command("sweep", str(tmp_path / "none.yaml"))
    assert (done.status, done.out) == (2, "")
    assert done.err == f"error: There is no sweep file {tmp_path / 'none.yaml'}; check the path.\n"


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_committed_sweeps_can_be_expanded(command, name):
    path = Path(__file__).parents[3] / "scenarios" / "sweeps" / f"{name}.yaml"
    done = command("sweep", str(path), "--dry-run")
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1].replace(",", "") in path.read_text()  # its first comment says how many
