# SPDX-License-Identifier: Apache-2.0
"""Which compiled contracts a source file is part of, and which tests see a contract: what to compile and run again.

Tests deploy most contracts by the name of their artifact, so a test's own code stays as it is. It has code of ``src``
in it only where it uses a library or descends from a contract there. A library with external functions is not part of
the contracts that call it: forge links it, so it is compiled and put in place by itself, and whoever sees those sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath

__all__ = ("Subject", "Subjects", "read_sources")

_IMPORT = re.compile(r'^import\s[^;]*?"(?P<path>[^"]+)"', re.MULTILINE)
_CONTRACT = re.compile(
    r"^(?P<abstract>abstract )?contract (?P<name>\w+)(?: is (?P<bases>[^{]+))?", re.MULTILINE
)
_LIBRARY = re.compile(r"^library (?P<name>\w+)", re.MULTILINE)
_EXTERNAL = re.compile(r"\) (?:external|public)\b")
_DEPLOYED = re.compile(r'deployCode\(\s*"(?P<file>\w+(?:\.t)?\.sol):\w+"')


@dataclass(frozen=True)
class Subject:
    """A contract that some test deploys or is.

    Attributes:
        file: that defines it, relative to ``contracts/``.
        name: of the contract.
    """

    file: str
    name: str

    @property
    def artifact(self) -> Path:
        """Where forge keeps it, relative to ``contracts/``."""
        return Path("out", PurePosixPath(self.file).name, f"{self.name}.json")


def read_sources(contracts: Path) -> dict[str, str]:
    """Text of every Solidity file in ``src`` and ``test`` by its path relative to ``contracts/``."""
    paths = sorted(path for folder in ("src", "test") for path in (contracts / folder).rglob("*.sol"))
    return {path.relative_to(contracts).as_posix(): path.read_text(encoding="utf-8") for path in paths}


class Subjects:
    """The compiled contracts of these sources, and what leads from file to file among them."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        deployed = {file: _deployed(text, sources) for file, text in sources.items()}
        self._made_of = {file: _made_of(file, text, sources) for file, text in sources.items()}
        self._seen_by = {
            file: deployed[file]
            | {path for path in _imported(file, text, sources) if path.startswith("test/")}
            for file, text in sources.items()
        }
        linked = {
            file: match["name"]
            for file, text in sources.items()
            if file.startswith("src/") and (match := _LIBRARY.search(text)) and _EXTERNAL.search(text)
        }
        for file in sources:
            if file.startswith("src/"):
                self._seen_by[file] |= _reached(file, self._made_of) & linked.keys()
        in_artifacts = {path for paths in deployed.values() for path in paths}
        self.all = tuple(
            Subject(file=file, name=match["name"])
            for file, text in sources.items()
            for match in _CONTRACT.finditer(text)
            if not match["abstract"] and (file.startswith("test/") or file in in_artifacts)
        ) + tuple(Subject(file=file, name=name) for file, name in linked.items())
        self.slow = frozenset(file for file, text in sources.items() if "function invariant" in text)

    def of(self, file: str) -> tuple[Subject, ...]:
        """Those with code of a file in them."""
        return tuple(subject for subject in self.all if file in _reached(subject.file, self._made_of))

    def tests(self, of: Iterable[Subject]) -> dict[Subject, frozenset[Subject]]:
        """The contracts of tests that see any of these, and which of them each sees."""
        wanted = frozenset(of)
        seen = {
            test: frozenset(one for one in wanted if one.file in _reached(test.file, self._seen_by))
            for test in self.all
            if test.file.endswith(".t.sol")
        }
        return {test: subjects for test, subjects in seen.items() if subjects}


def _reached(file: str, edges: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    open_ends = {file}
    while open_ends:
        at = open_ends.pop()
        reached.add(at)
        open_ends |= edges[at] - reached
    return reached


def _imported(file: str, text: str, sources: Mapping[str, str]) -> set[str]:
    folder = PurePosixPath(file).parent
    return {normpath(str(folder / match["path"])) for match in _IMPORT.finditer(text)} & sources.keys()


def _deployed(text: str, sources: Mapping[str, str]) -> set[str]:
    names = {match["file"] for match in _DEPLOYED.finditer(text)}
    return {path for path in sources if PurePosixPath(path).name in names}


def _made_of(file: str, text: str, sources: Mapping[str, str]) -> set[str]:
    """Files whose code a file's contracts may contain; of ``src`` a test contains only libraries and its bases."""
    imported = _imported(file, text, sources)
    if not file.startswith("test/"):
        return imported
    bases = {
        base.partition("(")[0].strip()
        for match in _CONTRACT.finditer(text)
        for base in (match["bases"] or "").split(",")
    }
    return {
        path
        for path in imported
        if path.startswith(("test/", "src/libraries/")) or PurePosixPath(path).stem in bases
    }
