# SPDX-License-Identifier: Apache-2.0
"""``bcfl.plugin`` is all that entries of users import: then files move and break nobody."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bcfl import plugin

DOCS = Path(__file__).parents[2] / "docs"
ALIASES = {"Action", "Address", "TrainerIndex", "Vector"}
PACKAGE = DOCS / "examples" / "bcfl-example-behaviour"


def _blocks():
    yield from re.findall(
        r"```python\n(.*?)```", (DOCS / "extending.md").read_text(encoding="utf-8"), re.DOTALL
    )
    for path in PACKAGE.rglob("*.py"):
        yield path.read_text(encoding="utf-8")


def test_the_documentation_imports_nothing_deeper():
    found = [module for block in _blocks() for module in re.findall(r"(?:from|import) (bcfl\.[\w.]+)", block)]
    assert set(found) == {"bcfl.plugin"}


def test_importing_it_does_not_load_torch():
    script = "import sys, bcfl.plugin; print({'torch', 'web3'} & set(sys.modules) or 'none')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"


@pytest.mark.parametrize("name", plugin.__all__)
def test_every_name_is_there_and_says_what_it_is(name):
    assert name in ALIASES or getattr(plugin, name).__doc__


def test_whatever_an_entry_may_say_of_itself_is_listed():
    declared = Path(plugin.__file__).parents[2] / "models" / "declared.py"
    asked = set(re.findall(r'getattr\(\w+, "(\w+)"', declared.read_text(encoding="utf-8")))
    assert asked
    assert asked <= set(re.findall(r"^\w+ +(\w+) ", plugin.__doc__, re.MULTILINE))


def test_nobody_else_asks_for_it_by_name():
    root = Path(plugin.__file__).parents[2]
    names = "|".join(
        re.findall(r'getattr\(\w+, "(\w+)"', (root / "models" / "declared.py").read_text(encoding="utf-8"))
    )
    asking = [
        str(path.relative_to(root))
        for room in ("agents", "chain", "cli", "contracts", "models", "scenarios", "storage", "views")
        for path in (root / room).rglob("*.py")
        if "node_modules" not in path.parts
        and re.search(rf'getattr\([^)]*"({names})"', path.read_text(encoding="utf-8"))
    ]
    assert asking == ["models/declared.py"]
