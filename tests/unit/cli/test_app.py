# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest

from bcfl.cli import app
from bcfl.errors import ChainError, StorageError

HEAVY = ("torch", "web3", "matplotlib", "numpy", "rich")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nonsense"]])
def test_the_command_answers_without_loading_anything_heavy(arguments):
    script = (
        "import json, sys\n"
        "from bcfl.cli.app import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_help_lists_every_command_and_every_command_exists(command):
    shown = command("--help")
    assert shown.status == 0
    for name in app._COMMANDS:
        assert f"\n  {name} " in shown.out
        assert command(name, "--help").status == 0


def test_no_arguments_show_the_help(command):
    outcome = command()
    assert outcome.status == 2
    assert "Commands" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rn"], "'run'"),
        (["run"], "FILE"),
        (["run", "--colour"], "--colour"),
        (["check", "x.yaml", "--seed", "many"], "--seed"),
        (["data", "fetch"], "NAME"),
        (["new", "a/b"], "letter"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(command, arguments, words):
    outcome = command(*arguments)
    assert outcome.status == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err


@pytest.fixture
def failing(monkeypatch, command):
    """Runs a command that raises the given error."""

    def run(error: BaseException):
        @click.command
        def broken() -> None:
            raise error

        monkeypatch.setattr(app._LazyGroup, "get_command", lambda *_: broken)
        return command("check")

    return run


def test_an_error_of_the_tree_is_one_sentence_and_its_status(failing):
    outcome = failing(ChainError("The node is gone; start it again."))
    assert (outcome.status, outcome.err) == (4, "error: The node is gone; start it again.\n")


def test_errors_in_groups_are_unwrapped(failing):
    group = BaseExceptionGroup("a", [ExceptionGroup("b", [StorageError("The store is gone.")])])
    outcome = failing(group)
    assert (outcome.status, outcome.err) == (5, "error: The store is gone.\n")


def test_an_unexpected_error_hides_nothing(failing, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outcome = failing(ExceptionGroup("a", [ChainError("seen"), ZeroDivisionError("by\nzero")]))
    assert outcome.status == 70
    assert outcome.err.count("\n") == 1
    assert "ZeroDivisionError: by zero" in outcome.err
    (saved,) = tmp_path.glob("*.traceback")
    assert str(saved) in outcome.err
    assert "ChainError: seen" in saved.read_text()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), click.Abort(), BaseExceptionGroup("a", [KeyboardInterrupt()])]
)
def test_ctrl_c_says_stopped(failing, error):
    outcome = failing(error)
    assert (outcome.status, outcome.err.strip()) == (130, "stopped")


def test_a_reader_that_leaves_early_is_no_fault(failing, monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # given back: the command wraps it
    with subprocess.Popen(
        [Path(sys.executable).parent / "bcfl", "catalog"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1
    outcome = failing(ExceptionGroup("a", [BrokenPipeError()]))
    assert (outcome.status, outcome.err) == (1, "")
