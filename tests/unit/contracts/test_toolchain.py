# SPDX-License-Identifier: Apache-2.0
"""Programs of the toolchain: the platform's own, and their status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bcfl.contracts import toolchain
from bcfl.contracts.errors import ProgramMissing


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a program of our own where npm would put the named one for a machine."""
    monkeypatch.setattr(toolchain, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")

    def put(name, machine, architecture):
        monkeypatch.setattr("platform.machine", lambda: machine)
        path = tmp_path / "node_modules/@foundry-rs" / f"{name}-linux-{architecture}" / "bin" / name
        path.parent.mkdir(parents=True)
        path.write_text('#!/bin/sh\npwd\necho "$@"\nexit 7\n')
        path.chmod(0o755)
        return path

    return put


@pytest.mark.parametrize(
    ("machine", "architecture"), [("x86_64", "amd64"), ("AMD64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")]
)  # fmt: skip
def test_the_program_is_that_of_the_platform_s_package(install, machine, architecture):
    path = install("forge", machine, architecture)
    assert toolchain.program("forge") == path


def test_a_wrapper_alone_is_no_program(install, tmp_path):
    install("forge", "riscv64", "amd64")  # the package of another platform
    wrapper = tmp_path / "node_modules/.bin/forge"
    wrapper.parent.mkdir()
    wrapper.touch()
    with pytest.raises(
        ProgramMissing, match=r"^forge is not at .*forge-linux-riscv64.*: run 'npm install' in "
    ):
        toolchain.program("forge")


def test_a_program_runs_in_the_contracts_folder_and_its_status_is_ours(install, monkeypatch, capfd, tmp_path):
    install("cast", "x86_64", "amd64")
    monkeypatch.setattr(sys, "argv", ["toolchain.py", "cast", "call", "--help"])
    assert toolchain.main() == 7
    assert capfd.readouterr().out == f"{tmp_path}\ncall --help\n"


def test_a_missing_program_is_one_sentence_and_a_status(install, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["toolchain.py", "forge"])
    assert toolchain.main() == ProgramMissing.exit_code != 0
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


@pytest.mark.skipif(not Path(toolchain.ROOT, "node_modules").is_dir(), reason="needs npm's packages")
def test_the_real_forge_s_failure_is_a_failure(tmp_path):
    script = Path(toolchain.__file__)
    unformatted = tmp_path / "Unformatted.sol"
    unformatted.write_text("contract   Unformatted {}\n")
    command = [sys.executable, str(script), "forge", "fmt", "--check", str(unformatted)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    unformatted.write_text("contract Unformatted {}\n")
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
