# SPDX-License-Identifier: Apache-2.0
"""What an agent did, line by line, in its own folder: every decision with its evidence, and what became of each transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bcfl.agents.runtime.current_task import current_task
from bcfl.contracts.delivery import Delivery

__all__ = ("Diary", "read_diary")

_LARGEST = 16 * 1024 * 1024


class Diary:
    """An observer of a process of agents that appends to one file; a file that has grown too long becomes ``.1``, and the one before goes.

    Args:
        path: of the file.
        tell: hears every line.
    """

    def __init__(self, path: Path, tell: Callable[[Mapping[str, Any]], None] = lambda _: None) -> None:
        self._path = path
        self._tell = tell

    def delivered(self, delivery: Delivery) -> None:
        """The chain keeps its own diary."""

    def decided(
        self, *, agent: str, role: str, name: str, round_number: int, evidence: Mapping[str, Any]
    ) -> None:
        """An agent did or wants something."""
        self.note(event=name, agent=agent, role=role, round=round_number, **evidence)

    def transacted(
        self, *, agent: str, role: str, name: str, round_number: int, status: str, gas: int, reason: str
    ) -> None:
        """A transaction ended."""
        self.note(
            event="transaction",
            agent=agent,
            role=role,
            round=round_number,
            action=name,
            status=status,
            gas=gas,
            reason=reason,
        )

    def note(self, **line: Any) -> None:  # noqa: ANN401 - JSON values
        """One more line."""
        task = current_task()
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **({} if task is None else {"task": task}),
            **line,
        }
        if self._path.exists() and self._path.stat().st_size > _LARGEST:
            self._path.replace(self._path.with_suffix(".1" + self._path.suffix))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
        self._tell(line)


def read_diary(path: Path) -> list[dict[str, Any]]:
    """All lines that there are, oldest first; a half-written last one is left out."""
    lines: list[dict[str, Any]] = []
    for file in (path.with_suffix(".1" + path.suffix), path):
        if file.exists():
            for text in file.read_text(encoding="utf-8").splitlines():
                try:
                    lines.append(json.loads(text))
                except ValueError:
                    continue
    return lines
