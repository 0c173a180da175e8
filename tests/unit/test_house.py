# SPDX-License-Identifier: Apache-2.0
"""The house keeps its measures: no heap of files, no long module, no constructor that nobody can read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("agents", "chain", "cli", "models", "scenarios", "storage", "views")
MODULES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
LONGER = {"chain/pump.py": 440, "chain/transaction_owner.py": 470}
"""One state machine each, which their ADRs keep in one piece."""


def _name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_is_short_enough_to_be_read(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGER.get(_name(path), 350)


@pytest.mark.parametrize("room", ["agents", "scenarios", "views"])
def test_a_room_has_storeys_and_a_storey_no_heap(room):
    folders = [
        ROOT / room,
        *(path for path in (ROOT / room).rglob("*") if path.is_dir() and path.name != "__pycache__"),
    ]
    for folder in folders:
        files = [path for path in folder.iterdir() if path.is_file() and path.name != "__init__.py"]
        assert len(files) <= (12 if folder == ROOT / room else 16), folder


def test_no_agent_is_made_of_more_than_eight_things():
    for path in (ROOT / "agents").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                count = len(node.args.args) - 1 + len(node.args.kwonlyargs)
                assert count <= 8, f"{_name(path)}: {count}"
