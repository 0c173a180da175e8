# SPDX-License-Identifier: Apache-2.0
"""What is kept of a cell: one JSON file each, named by the hash of its scenario, from which all tables are made.

A result counts as done only for the code that made it (``planning.code``).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bcfl.scenarios.outcome.summary import Summary
from bcfl.scenarios.sweeping.grid import Cell

__all__ = ("CellResult", "CellStore", "compact")


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
