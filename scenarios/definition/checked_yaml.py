# SPDX-License-Identifier: Apache-2.0
"""A YAML file beside scenarios (a sweep, a list of targets) as checked data, or one sentence on what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pydantic

from bcfl.errors import ScenarioError
from bcfl.scenarios.definition.refusals import dotted
from bcfl.scenarios.definition.yaml_text import Document, Problem, parse_document

__all__ = ("read_checked", "read_document")

_LARGEST_FILE = 1 << 20

_Checked = TypeVar("_Checked", bound=pydantic.BaseModel)


def read_document(path: Path, *, what: str, error: type[ScenarioError]) -> Document:
    """The YAML mapping in a file.

    Args:
        path: the file.
        what: what it is to be, for the sentence: "sweep file".
        error: what to raise where it is not.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise error(f"There is no {what} {path}; check the path.") from None
    except OSError as problem:
        raise error(f"The {what} {path} cannot be read ({problem.strerror}); give another path.") from problem
    if len(data) > _LARGEST_FILE:
        raise error(f"{path} is larger than 1 MiB, which no {what} is; give another path.")
    try:
        document = parse_document(data.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not text in UTF-8 (byte {problem.start}); save it as UTF-8.") from problem
    except Problem as problem:
        raise error(f"{_place(path, problem.line)} {problem.message}.") from problem
    if not isinstance(document.data, dict):
        raise error(f"{path}: a {what} is a mapping of keys; docs/sweeps.md shows them.")
    return document


def read_checked(model: type[_Checked], path: Path, *, what: str, error: type[ScenarioError]) -> _Checked:
    """The file as ``model``; raises ``error`` with the file, the line and the key of the first mistake."""
    document = read_document(path, what=what, error=error)
    try:
        return model.model_validate(document.data)
    except pydantic.ValidationError as refusal:
        # a misspelt key makes the right one missing too: the misspelling is what to mend
        first = min(refusal.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        key = tuple(first["loc"])
        line = next(
            (
                document.lines[key[:length]]
                for length in range(len(key), 0, -1)
                if key[:length] in document.lines
            ),
            None,
        )
        raise error(
            f"{_place(path, line)} '{dotted(key)}' {_clause(first['type'], first['msg'])}."
        ) from refusal


def _clause(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a key here; docs/sweeps.md shows every key"
    if kind == "missing":
        return "is missing; docs/sweeps.md shows every key"
    plain = message.removeprefix("Value error, ").rstrip(".")
    return f"cannot be used: {plain[:1].lower()}{plain[1:]}"


def _place(path: Path, line: int | None) -> str:
    return f"{path}:" if line is None else f"{path}, line {line}:"
