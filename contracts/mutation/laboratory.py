# SPDX-License-Identifier: Apache-2.0
"""Tries a mutant: compiles what it is part of, puts that in place of the sound bytecode, and runs the tests that see it.

Contracts are compiled one after another, small ones first, and each time the tests run that see no contract still to be
compiled: most mutants are dead before the large ones are. What survives meets every test once more, thoroughly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from bcfl.contracts.mutation.compiler import Bytecode, Compiler
from bcfl.contracts.mutation.forge import QUICK, THOROUGH, first_failure, workshop
from bcfl.contracts.mutation.mutant import Mutant
from bcfl.contracts.mutation.subjects import Subject, Subjects, read_sources

__all__ = ("Laboratory", "Outcome", "Unsound")


class Unsound(Exception):
    """A test fails without a mutant, so that it can say nothing about one."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        verdict: ``killed``, ``survived``, ``invalid`` (does not compile) or ``same`` (compiles to the same code).
        by: the test that failed.
    """

    verdict: str
    by: str = ""


class Laboratory(AbstractContextManager["Laboratory"]):
    """A folder of its own, copied from a folder of contracts or another laboratory's, and a compiler; for one thread."""

    def __init__(self, contracts: Path) -> None:
        self._temporary = TemporaryDirectory(prefix="bcfl-mutants-")
        self.folder = Path(self._temporary.name)
        workshop(contracts, self.folder)
        self._sources = read_sources(self.folder)
        self._subjects = Subjects(self._sources)
        self._compiler = Compiler(self.folder)
        self._sound: dict[Subject, Bytecode] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._compiler.close()
        self._temporary.cleanup()

    def prepare(self, files: Iterable[str]) -> Self:
        """Put code without the optimiser in place of all that these files are part of.

        Raises:
            Unsound: a source does not compile in this way.
        """
        for subject in dict.fromkeys(one for file in files for one in self._subjects.of(file)):
            made = self._compiler.compile(subject, {})
            if made is None:
                raise Unsound(f"{subject.file} does not compile without the optimiser.")
            self._sound[subject] = made
        self._place(self._sound)
        return self

    def check(self) -> None:
        """Run the tests without a mutant.

        Raises:
            Unsound: one fails.
        """
        names = {test.name for test in self._subjects.tests(self._sound)}
        failed = first_failure(self.folder, names, THOROUGH)
        if failed is not None:
            raise Unsound(f"{failed} fails without a mutant.")

    def attempt(self, mutant: Mutant) -> Outcome:
        """Let the tests look for a mutant; the sound code is in place again after it."""
        changed = {mutant.file: mutant.applied(self._sources[mutant.file])}
        waiting = sorted(self._subjects.of(mutant.file), key=lambda subject: len(self._sound[subject][0]))
        tests = self._subjects.tests(waiting)
        quick = {test: seen for test, seen in tests.items() if test.file not in self._subjects.slow}
        different: set[Subject] = set()
        try:
            while waiting:
                subject = waiting.pop(0)
                made = self._compiler.compile(subject, changed)
                if made is None:
                    return Outcome("invalid")
                if made != self._sound[subject]:
                    self._place({subject: made})
                    different.add(subject)
                ready = [test for test, seen in quick.items() if not seen & set(waiting)]
                seeing = {test.name for test in ready if quick.pop(test) & different}
                failed = first_failure(self.folder, seeing, QUICK) if seeing else None
                if failed is not None:
                    return Outcome("killed", failed)
            if not different:
                return Outcome("same")
            seeing = {test.name for test, seen in tests.items() if seen & different}
            failed = first_failure(self.folder, seeing, THOROUGH)
            return Outcome("survived") if failed is None else Outcome("killed", failed)
        finally:
            self._place({subject: self._sound[subject] for subject in different})

    def _place(self, code: Mapping[Subject, Bytecode]) -> None:
        for subject, (creation, deployed) in code.items():
            path = self.folder / subject.artifact
            artifact = json.loads(path.read_text(encoding="utf-8"))
            artifact["bytecode"]["object"] = f"0x{creation}"
            artifact["deployedBytecode"]["object"] = f"0x{deployed}"
            path.write_text(json.dumps(artifact), encoding="utf-8")
