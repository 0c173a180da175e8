# SPDX-License-Identifier: Apache-2.0
"""What became of mutants, a JSON line each, so that a run goes on where it stopped.

A result holds for the sources that it was found with. Tests that are added later kill no fewer mutants, so that what
was killed stays killed when only tests have changed; what survived is tried again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path

from bcfl.contracts.mutation.laboratory import Outcome
from bcfl.contracts.mutation.mutant import Mutant

__all__ = ("Journal",)


class Journal:
    """A file of results; several threads may add to it."""

    def __init__(self, path: Path, sources: Mapping[str, str]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._src = _digest(sources, "src/")
        self._test = _digest(sources, "test/")
        self._known: dict[str, Outcome] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            entry = json.loads(line)
            outcome = Outcome(entry["verdict"], entry["by"])
            if entry["src"] == self._src and (entry["test"] == self._test or outcome.verdict != "survived"):
                self._known[entry["mutant"]] = outcome

    def outcome(self, mutant: Mutant) -> Outcome | None:
        """What is known of a mutant of these sources."""
        return self._known.get(mutant.name)

    def add(self, mutant: Mutant, outcome: Outcome) -> None:
        """Keep a result."""
        entry = {"mutant": mutant.name, "src": self._src, "test": self._test, **dataclasses.asdict(outcome)}
        with self._lock:
            self._known[mutant.name] = outcome
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def _digest(sources: Mapping[str, str], folder: str) -> str:
    chosen = {path: text for path, text in sources.items() if path.startswith(folder)}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]
