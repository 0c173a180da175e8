# SPDX-License-Identifier: Apache-2.0
"""The example package of the documentation, found through its entry point as an installed one is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "bcfl-example-behaviour"
BCFL = Path(sys.executable).with_name("bcfl")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the package is installed: its code and what pip writes of its ``pyproject.toml``."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copytree(EXAMPLE / "bcfl_example", site / "bcfl_example")
    information = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def _bcfl(environment, *arguments):
    return subprocess.run(
        [str(BCFL), *arguments], capture_output=True, text=True, env=environment, timeout=90, check=False
    )


def test_the_catalogue_lists_its_entries_with_their_parameters(installed):
    done = _bcfl(installed, "catalog", "--json")
    assert done.returncode == 0, done.stderr
    found = {(entry["kind"], entry["name"]): entry for entry in json.loads(done.stdout)}
    assert {("behaviour", "half_hearted"), ("attack", "shuffle"), ("judge", "flat")} <= set(found)
    (part,) = found["behaviour", "half_hearted"]["parameters"]
    assert (part["name"], part["type"], part["default"]) == ("part", "float", 0.5)


def test_without_the_package_the_scenario_names_what_is_missing():
    done = _bcfl(None, "run", str(EXAMPLE / "scenario.yaml"))
    assert done.returncode == 2
    assert "half_hearted" in done.stderr


@pytest.mark.anvil
def test_a_scenario_runs_with_all_three(installed, tmp_path):
    done = _bcfl(installed, "run", str(EXAMPLE / "scenario.yaml"), "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert told["status"] == "completed"
    behaviours = {name: member["behaviour"] for name, member in told["participants"].items()}
    assert behaviours["eve"] == "half_hearted"
    assert behaviours["mallory"] == "shuffle"
    assert behaviours["alice"] == "flat"
    for record in told["rounds"]:
        assert len({score for score in record["scores"].values() if score > 0}) == 1
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    misbehaving = {(e["source"], e["round"]) for e in events if e["event"] == "misbehaving"}
    assert misbehaving == {("eve", 1), ("eve", 2), ("mallory", 2)}
