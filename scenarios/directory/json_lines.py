# SPDX-License-Identifier: Apache-2.0
"""Files of a run directory that hold a JSON object a line; a last line that was cut off by a kill is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from bcfl.scenarios.errors import RunDirectoryUnreadable

__all__ = ("damaged", "line_of", "read_records", "whole_lines")


def line_of(record: Mapping[str, Any]) -> str:
    """A record as a line, without its end; keys are sorted, so that equal records are equal lines."""
    return json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, in its order.

    Raises:
        RunDirectoryUnreadable: the file is missing or damaged.
    """
    for number, line in whole_lines(path):
        try:
            # not json.loads: its depth is bounded by the recursion limit alone, which libraries raise until it crashes
            record = from_json(line, allow_inf_nan=False)
        except ValueError as error:
            raise damaged(path, number) from error
        if not isinstance(record, dict):
            raise damaged(path, number)
        yield record


def whole_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line that ends, with its number from 1; raises as ``read_records``."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith("\n"):
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryUnreadable(f"{path} is missing or damaged; run the scenario again.") from error


def damaged(path: Path, number: int) -> RunDirectoryUnreadable:
    """What to raise for a line that holds no such object."""
    return RunDirectoryUnreadable(f"{path}, line {number} is damaged; run the scenario again.")
