# SPDX-License-Identifier: Apache-2.0
"""The documentation says what is: keys, records, commands, links, exit codes, examples."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

import bcfl.agents
import bcfl.errors
from bcfl.agents.common.decisions import DECISIONS
from bcfl.cli.app import bcfl as command
from bcfl.contracts import events
from bcfl.scenarios.definition.schema import NamedEntry, Scenario, Selection

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
BCFL = Path(sys.executable).with_name("bcfl")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def rows(path: Path) -> Iterator[list[str]]:
    for line in path.read_text().splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


# --- scenario reference ---------------------------------------------------------------------------------------


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a scenario with its default as the reference writes it."""
    for name, field in model.model_fields.items():
        key, kind = f"{prefix}{name}", field.annotation
        item = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else None
        if inspect.isclass(item):
            yield key, "required" if field.is_required() else "`[]`"
            yield from keys(item, f"{key}[].")
        elif item is not None:
            yield key, "`[]`"
        elif inspect.isclass(kind) and issubclass(kind, BaseModel) and kind is not NamedEntry:
            yield from keys(kind, f"{key}.")
        else:
            yield key, "required" if field.is_required() else written(key, field.default)


def written(key: str, default: object) -> str:
    if isinstance(default, NamedEntry):
        return f"`{default.name}`"
    if isinstance(default, bool) or default is None:
        return {True: "`true`", False: "`false`", None: "`null`"}[default]
    quoted = key == "description" or key.startswith(("task.reward.", "task.membership."))
    return (
        f'`"{default}"`'
        if isinstance(default, str) and quoted and key != "task.reward.mode"
        else f"`{default}`"
    )


def test_the_scenario_reference_has_every_key_with_its_default_and_no_other():
    documented = {row[0].strip("`"): row[3] for row in rows(DOCS / "scenario.md")}
    assert documented == dict(keys(Scenario))


@pytest.mark.parametrize("rule", typing.get_args(Selection.model_fields["rule"].annotation))
def test_the_scenario_reference_names_every_choice_of_a_rule(rule):
    assert f"`{rule}`" in (DOCS / "scenario.md").read_text()


# --- run directory --------------------------------------------------------------------------------------------


def test_the_run_directory_page_names_every_kind_of_record():
    text = (DOCS / "run-directory.md").read_text()
    told = set(re.findall(r"`([A-Za-z_]+)[:`]", text))
    from_chain = {name for name in events.__all__ if issubclass(getattr(events, name, object), events.Event)}
    honest = (
        path
        for path in Path(next(iter(bcfl.agents.__path__))).rglob("*.py")
        if path.parent.name != "adversaries"
    )
    source = "".join(path.read_text() for path in honest)
    actions = re.findall(r'\bname\s*=\s*f?"([a-z_]+)[":]', source)
    decisions = {*actions, *DECISIONS}
    assert {"commit", "scored", "advance", "withdraw", "published"} <= decisions
    assert told >= (from_chain - {"Event"}) | decisions | {"run_started", "retracted", "transaction"}


# --- commands, links, words -----------------------------------------------------------------------------------


def shown_commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for line in page.read_text().splitlines():
            if line.startswith("    "):
                shown = line.partition("#")[0].strip()
                if shown.startswith(("bcfl ", "make ")):
                    yield f"{page.name}: {shown}", shlex.split(shown)
            for words in re.findall(r"`((?:bcfl|make) [a-z][^`]*)`", line):
                yield f"{page.name}: {words}", shlex.split(words)


@pytest.mark.parametrize(("where", "words"), list(shown_commands()))
def test_every_command_in_the_documentation_exists(where, words):
    program, *arguments = words
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in arguments), where
        return
    found: click.Command = command
    with click.Context(command) as context:
        while isinstance(found, click.Group) and arguments and not arguments[0].startswith("-"):
            inner = found.get_command(context, arguments.pop(0))
            assert inner is not None, where
            found = inner
    options = {option for parameter in found.params for option in parameter.opts}
    for word in arguments:
        assert not word.startswith("-") or word in options, where
        if word.startswith("scenarios/"):
            assert (ROOT / word).is_file(), where


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_named_test_leads_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}, (
                target
            )
    for path in re.findall(
        r"`((?:tests|scenarios|models|chain|contracts|agents|views|storage)/[\w/.-]+\.(?:py|yaml|json))`",
        text,
    ):
        assert (ROOT / path).is_file(), path
    if page.parent.name == "adr":
        for line in re.findall(r"^- `(tests/\S+\.py)`(.*)$", text, re.MULTILINE):
            source = (ROOT / line[0]).read_text()
            for name in re.findall(r"`(test_\w+)`", line[1]):
                assert f"def {name}(" in source, name


def test_every_environment_variable_that_is_read_is_documented():
    told = (DOCS / "nodes.md").read_text()
    read = set()
    for room in ("chain", "storage", "models", "agents", "scenarios", "views", "cli"):
        for path in (ROOT / room).rglob("*.py"):
            read |= set(re.findall(r'"(BCFL_[A-Z_]+)"', path.read_text()))
    for_tests = {"BCFL_CRASH_AT", "BCFL_CRASH_ONCE"}
    assert read - for_tests
    assert all(f"`{name}`" in told for name in read - for_tests)


def test_every_exit_status_is_documented():
    told = {
        int(number)
        for row in re.findall(r"^\| ([\d, ]+) \|", (DOCS / "exit-codes.md").read_text(), re.MULTILINE)
        for number in row.split(",")
    }
    of_errors = {
        kind.exit_code
        for kind in vars(bcfl.errors).values()
        if inspect.isclass(kind) and issubclass(kind, bcfl.errors.BcflError)
    }
    assert told == of_errors | {0, 8, 9, 70, 130, 143}


def test_the_readme_shows_the_table_that_the_figures_come_with():
    assert (
        f"```text\n{(DOCS / 'figures' / 'final-table.txt').read_text()}```"
        in (ROOT / "README.md").read_text()
    )


# --- examples -------------------------------------------------------------------------------------------------


@pytest.mark.anvil
def test_the_example_of_extending_runs_as_it_is_written(tmp_path):
    (code,) = blocks(DOCS / "extending.md", "python")
    (declared,) = blocks(DOCS / "extending.md", "toml")
    (scenario,) = blocks(DOCS / "extending.md", "yaml")
    (tmp_path / "my_entries.py").write_text(code)
    (tmp_path / "rings.yaml").write_text(scenario)
    information = tmp_path / "my_entries-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-entries\nVersion: 1.0\n")
    points = declared.replace('[project.entry-points."bcfl.plugins"]', "[bcfl.plugins]").replace('"', "")
    (information / "entry_points.txt").write_text(points)

    done = subprocess.run(
        [BCFL, "run", "rings.yaml", "--out", "run"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "status=completed" in done.stdout


_NOTEBOOK = """
import ast, asyncio, sys
for cell in sys.argv[1:]:
    code = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, globals())
    if result is not None:
        asyncio.run(result)
print(len(losses), len(reveals), directory.report_file.is_file())
"""


@pytest.mark.anvil
def test_the_cells_of_the_python_page_run_as_they_are_written(tmp_path):
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios", ignore=shutil.ignore_patterns("*.py", "__*"))
    done = subprocess.run(
        [sys.executable, "-c", _NOTEBOOK, *blocks(DOCS / "python.md", "python")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 3 True"
