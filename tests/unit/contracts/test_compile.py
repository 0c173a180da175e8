# SPDX-License-Identifier: Apache-2.0
"""What makes an artifact stale, before anything is compiled."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from bcfl.contracts import compile as compiling

CONTRACTS = Path(compiling.__file__).resolve().parent


@pytest.fixture
def folder(tmp_path):
    """A contracts folder of the real settings, one source, and artifacts that say they were made from them."""
    for name in ("foundry.toml", "package.json"):
        (tmp_path / name).write_bytes((CONTRACTS / name).read_bytes())
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "One.sol").write_text("contract One {}\n")
    (tmp_path / "artifacts").mkdir()
    for name in compiling.CONTRACTS:
        text = json.dumps({"source_hash": compiling.source_hash(tmp_path)})
        (tmp_path / "artifacts" / f"{name}.json").write_text(text)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_artifacts_of_these_sources_are_not_known_to_be_stale(folder):
    assert compiling.of_other_sources(folder) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/One.sol", "One", "Two"),
        ("foundry.toml", "via_ir = true", "via_ir = false"),
        ("foundry.toml", "optimizer_runs = 1 ", "optimizer_runs = 2 "),
        ("foundry.toml", 'evm_version = "cancun"', 'evm_version = "prague"'),
        ("package.json", '"solc": "', '"solc": "^'),
        ("package.json", '"@openzeppelin/contracts": "', '"@openzeppelin/contracts": "^'),
    ],
)
def test_a_source_or_what_decides_how_it_is_compiled_makes_them_stale(folder, file, old, new):
    edit(folder / file, old, new)
    assert compiling.of_other_sources(folder) == [f"{name}.json" for name in compiling.CONTRACTS]


def test_a_new_source_makes_them_stale(folder):
    (folder / "src" / "Two.sol").write_text("contract Two {}\n")
    assert len(compiling.of_other_sources(folder)) == len(compiling.CONTRACTS)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("foundry.toml", "fuzz = { runs = 256 }", "fuzz = { runs = 257 }"),
        ("foundry.toml", "gas_limit = 1", "gas_limit = 2"),
        ("foundry.toml", "# reproducible", "# repeatable"),
        ("package.json", '"@foundry-rs/forge": "', '"@foundry-rs/forge": "^'),
    ],
)
def test_what_only_tests_use_does_not(folder, file, old, new):
    edit(folder / file, old, new)
    assert compiling.of_other_sources(folder) == []


def test_a_missing_artifact_and_one_of_other_sources_are_named(folder):
    (folder / "artifacts" / "RewardToken.json").unlink()
    (folder / "artifacts" / "TaskFactory.json").write_text('{"source_hash": "0"}')
    assert compiling.of_other_sources(folder) == ["RewardToken.json", "TaskFactory.json"]


def test_the_other_profiles_share_the_default_s_build():
    profiles = tomllib.loads((CONTRACTS / "foundry.toml").read_text())["profile"]
    assert profiles.keys() == {"default", "ci", "nightly"}
    assert profiles["ci"].keys() == profiles["nightly"].keys() == {"fuzz", "invariant"}
