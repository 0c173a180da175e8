# SPDX-License-Identifier: Apache-2.0
"""What is kept of a cell: one JSON file each, named by the hash of its scenario, from which all tables are made.

A result counts as done only for the code that made it. ``code_digest`` covers what can change a number: the
contracts' artifacts, every Python module below the views, the plugins and the numeric libraries. Comments,
docstrings and layout are not part of it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

import bcfl
from bcfl.scenarios.outcome.summary import Summary
from bcfl.scenarios.sweeping.grid import Cell

__all__ = ("CellResult", "CellStore", "code_digest", "compact")

_ROOMS = ("contracts", "chain", "storage", "models", "agents", "scenarios")
_MODULES = ("errors.py", "registry.py", "seeds.py")
_LIBRARIES = ("numpy", "torch", "web3", "eth-account", "safetensors", "opacus")
# What is done with results, and what is said of them, changes none.
_AFTER_THE_RUN = (
    *(
        f"scenarios/sweeping/{name}.py"
        for name in ("cell_orders", "cell_worker", "cells", "file", "grid", "intervals", "measures", "pay", "sweep", "table", "targets")
    ),
    "scenarios/audit/", "scenarios/following/", "scenarios/directory/replay.py", "scenarios/definition/checked_yaml.py",
    "scenarios/planning/cautions.py", "models/serving.py", "models/predicting.py", "models/exporting.py",
)  # fmt: skip


class CellResult(BaseModel):
    """How a cell ended: the run's summary, or the sentence that says why there is none.

    Attributes:
        code: ``code_digest`` of the program that ran it.
        cell: the cell's name when it was run.
        sentence: why it failed.
        wall_s: seconds that it took.
        summary: without what no table or figure of a sweep needs (gas and trainers' losses).
        misbehaved: the rounds in which each adversary did, by name.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    code: str
    cell: str
    sentence: str | None = None
    wall_s: float
    summary: Summary | None = None
    misbehaved: dict[str, tuple[int, ...]] = {}

    @property
    def status(self) -> str:
        """``completed``, ``cancelled`` (the task ended before its last round) or ``failed``."""
        return "failed" if self.summary is None else self.summary.status


class CellStore:
    """The results of a sweep's directory."""

    def __init__(self, directory: Path, *, code: str) -> None:
        self._directory = directory
        self._code = code

    def read(self, cell: Cell, *, any_code: bool = False) -> CellResult | None:
        """The cell's result, or None where there is none, a damaged one, or one of other code."""
        try:
            result = CellResult.model_validate_json(self._file(cell).read_bytes())
        except (OSError, ValidationError):
            return None
        return result if any_code or result.code == self._code else None

    def write(self, cell: Cell, result: CellResult) -> None:
        """Keep a result; a file is there whole or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._file(cell)
        written = file.with_suffix(".part")
        written.write_text(result.model_dump_json() + "\n", encoding="utf-8")
        written.replace(file)

    def _file(self, cell: Cell) -> Path:
        return self._directory / f"{cell.key}.json"


def compact(summary: Summary) -> Summary:
    """A summary without what no table or figure of a sweep needs: most of its bytes."""
    rounds = tuple(
        done.model_copy(update={"gas": {}, "local_loss": {}, "validation_loss": {}})
        for done in summary.rounds
    )
    return summary.model_copy(update={"rounds": rounds})


def code_digest() -> str:
    """One hash over everything of the installed program that can change a run's numbers."""
    digest = hashlib.sha256()
    root = Path(bcfl.__file__).parent
    files = [root / name for name in _MODULES]
    for room in _ROOMS:
        # followlinks: the rooms are symbolic links in a checkout; of the contracts only what Python reads counts
        found = (Path(at) / name for at, names in _walk(root / room) for name in names)
        files += sorted(file for file in found if not str(file.relative_to(root)).startswith(_AFTER_THE_RUN))
    for file in files:
        content = file.read_bytes()
        digest.update(str(file.relative_to(root)).encode() + b"\0")
        digest.update(hashlib.sha256(_meaning(content) if file.suffix == ".py" else content).digest())
    plugins = {
        point.dist.name for point in importlib.metadata.entry_points(group="bcfl.plugins") if point.dist
    }
    for name in sorted({*plugins - {"bcfl"}, *_LIBRARIES}):
        try:
            digest.update(f"{name}=={importlib.metadata.version(name)}\0".encode())
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that is not here made no number
    return digest.hexdigest()[:24]


def _walk(room: Path) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for at, folders, names in os.walk(room, followlinks=True):
        folders[:] = sorted(
            set(folders) - {"node_modules", "lib", "src", "test", "out", "cache", "mutation", "__pycache__"}
        )
        artifacts = Path(at).name == "artifacts"
        kept = [name for name in names if name.endswith(".py") or (artifacts and name.endswith(".json"))]
        found.append((at, sorted(kept)))
    return found


def _meaning(source: bytes) -> bytes:
    """The program without its comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                statement
                for statement in node.body
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            ]
    return ast.dump(tree).encode()
