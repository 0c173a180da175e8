# SPDX-License-Identifier: Apache-2.0
"""Which program this is: one hash over what can change a number.

That are the contracts' artifacts, every Python module below the views, the plugins and the numeric libraries. Comments,
docstrings and layout are not part of it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
from pathlib import Path

import bcfl

__all__ = ("code_digest",)

_ROOMS = ("contracts", "chain", "storage", "models", "agents", "scenarios")
_MODULES = ("errors.py", "registry.py", "seeds.py")
_LIBRARIES = ("numpy", "torch", "web3", "eth-account", "safetensors", "opacus")
# What is done with results, and what is said of them, changes none.
_AFTER_THE_RUN = (
    *(
        f"scenarios/sweeping/{name}.py"
        for name in ("cell_orders", "cell_process", "cell_worker", "cells", "cluster_cells", "file", "grid", "intervals", "measures", "pay", "sweep", "table", "targets")
    ),
    "scenarios/audit/", "scenarios/following/", "scenarios/directory/replay.py", "scenarios/definition/checked_yaml.py",
    "scenarios/planning/cautions.py", "models/serving.py", "models/predicting.py", "models/exporting.py",
)  # fmt: skip


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
