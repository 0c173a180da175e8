# SPDX-License-Identifier: Apache-2.0
"""The notebook of the documentation does what it says, cell by cell, as Jupyter runs it: in a loop that is already going."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "examples" / "notebook" / "first-federation.ipynb"


@pytest.mark.asyncio
async def test_the_notebook_runs_and_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    known: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], "commit it without outputs"
        code = compile("".join(cell["source"]), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        value = eval(code, known)  # noqa: S307 - the cells are ours
        if inspect.isawaitable(value):
            await value
    told = capsys.readouterr().out
    assert "mallory   0.0000 tokens, thrown out in round" in told
    assert told.count(", stayed") == 3
    assert "the model says [7 2 1 0" in told
    assert (tmp_path / "runs" / "notebook" / "report.html").stat().st_size > 50_000
    assert (tmp_path / "runs" / "notebook" / "notebook.png").stat().st_size > 10_000
