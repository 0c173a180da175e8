# SPDX-License-Identifier: Apache-2.0
"""One small fault, and how it is told: by the lines that it changes, which outlive edits elsewhere in the file."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ("Mutant", "made", "sample")


@dataclass(frozen=True)
class Mutant:
    """A stretch of a source file that is replaced.

    Attributes:
        file: relative to ``contracts/``.
        line: of its first character, from 1.
        operator: what kind of fault it is.
        start: offset of the first character.
        end: offset behind the last one.
        replacement: what stands there instead.
        before: the lines that it touches, without indentation and line ends.
        after: the same lines with the fault.
    """

    file: str
    line: int
    operator: str
    start: int
    end: int
    replacement: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """Tells it from every other mutant of the same sources."""
        return f"{self.file}:{self.start}-{self.end}:{self.replacement}"

    def applied(self, source: str) -> str:
        """The source with the fault."""
        return source[: self.start] + self.replacement + source[self.end :]


def made(file: str, source: str, operator: str, start: int, end: int, replacement: str) -> Mutant:
    """A mutant with its lines."""
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", end)
    last = len(source) if last < 0 else last
    return Mutant(
        file=file,
        line=source.count("\n", 0, start) + 1,
        operator=operator,
        start=start,
        end=end,
        replacement=replacement,
        before=_on_one_line(source[first:last]),
        after=_on_one_line(source[first:start] + replacement + source[end:last]),
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def sample(mutants: Iterable[Mutant], number: int | None, seed: int) -> list[Mutant]:
    """So many of each file, drawn by the seed, in the order of the file; a larger number keeps the smaller one's."""
    by_file: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)
    chosen = []
    for file, all_of_it in by_file.items():
        order = random.Random(f"{seed} {file}").sample(all_of_it, len(all_of_it))  # noqa: S311 - nothing secret
        chosen += sorted(order[:number], key=lambda mutant: (mutant.start, mutant.end))
    return chosen
