# SPDX-License-Identifier: Apache-2.0
"""Settings: flags before the environment before the file, and each is told with where it was said."""

from __future__ import annotations

import pytest

from bcfl.agents.errors import SettingsInvalid
from bcfl.agents.hosting.settings import Settings, bcfl_home, origins, settings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BCFL_HOME", str(tmp_path))
    for name in Settings.model_fields:
        monkeypatch.delenv(f"BCFL_{name.upper()}", raising=False)
    return tmp_path


def test_home_is_said_by_the_environment_or_is_the_person_s(home, monkeypatch):
    assert bcfl_home() == home
    monkeypatch.delenv("BCFL_HOME")
    assert bcfl_home().name == ".bcfl"


def test_flags_come_before_the_environment_before_the_file(home, monkeypatch):
    (home / "config.toml").write_text('network = "of-file"\nkey = "of-file"\nstore = "kubo:http://f:1"\n')
    monkeypatch.setenv("BCFL_NETWORK", "of-environment")
    monkeypatch.setenv("BCFL_KEY", "of-environment")
    chosen = settings({"key": "of-flag", "store": None})
    assert (chosen.network, chosen.key, chosen.store) == ("of-environment", "of-flag", "kubo:http://f:1")
    told = {one.name: one.origin for one in origins({"key": "of-flag"})}
    assert told["key"] == "flag"
    assert told["network"] == "environment, BCFL_NETWORK"
    assert told["store"] == str(home / "config.toml")
    assert told["workers"] == "default"
    assert [one.name for one in origins()] == list(Settings.model_fields)


@pytest.mark.parametrize(
    ("file", "variable", "sentence"),
    [
        ("workers = 0", None, r"'workers' \(.*config\.toml\): input should be greater"),
        ("", "none", r"'workers' \(environment, BCFL_WORKERS\)"),
        ("netwrok = 'a'", None, "there is no setting 'netwrok'; there are network, key"),
        ("network =", None, "cannot be read"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(home, monkeypatch, file, variable, sentence):
    (home / "config.toml").write_text(file)
    if variable is not None:
        monkeypatch.setenv("BCFL_WORKERS", variable)
    with pytest.raises(SettingsInvalid, match=sentence):
        settings()
