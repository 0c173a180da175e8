# SPDX-License-Identifier: Apache-2.0
"""An evaluator's memory of the rounds of one task, in its own folder: so that a new start does not judge all of them again.

Vectors that were there before stay in the files that they are in: a memory shares most of its arrays with the one before, and
only new ones are written. What cannot be read, or was written by another version, is judged anew: nothing rests on it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from pydantic_core import from_json

from bcfl import __version__
from bcfl.contracts.json_form import form_of
from bcfl.models.defences.defence import Fault, Memory, Standing
from bcfl.models.defences.history import History

__all__ = ("MemoryFolder",)

_log = structlog.stdlib.get_logger("bcfl.agents.crowdsourcing")

Rows = npt.NDArray[np.float32]


class MemoryFolder:
    """What is remembered after the newest round; not for two processes at a time.

    Args:
        folder: its own; made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[tuple[Rows, str]] = []
        """Arrays that lie there already, by identity: while they are listed here, none of their places is another's."""
        self._last = max((int(path.stem) for path in folder.glob("*.*") if path.stem.isdigit()), default=0)

    def load(self) -> tuple[int, bytes, Memory] | None:
        """Number and digest of the newest round, and what is remembered after it; None where there is nothing that can be used."""
        try:
            told = from_json((self._folder / "memory.json").read_bytes())
            if told["form"] != _form():
                return None
            memory = Memory(standings=_standings(told["standings"]), history=self._history(told["history"]))
            return int(told["round"]), bytes.fromhex(told["key"]), memory
        except FileNotFoundError:
            return None
        except (OSError, EOFError, LookupError, TypeError, ValueError) as error:
            _log.warning("memory_unreadable", folder=self._folder.name, reason=str(error))
            self._files = []
            return None

    def keep(self, number: int, key: bytes, memory: Memory) -> None:
        """Keep this instead of what was kept; a full disk costs nothing but that the next start takes longer."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(number, key, memory)
        except OSError as error:
            _log.warning("memory_not_kept", folder=self._folder.name, reason=str(error))

    def _write(self, number: int, key: bytes, memory: Memory) -> None:
        history = memory.history
        held = [(array, self._file_of(array)) for array in _arrays(history)]
        names = iter(name for _, name in held)
        self._last += 1
        (self._folder / (digests := f"{self._last}.digests")).write_bytes(b"".join(sorted(history.digests)))
        told = {
            "form": _form(),
            "round": number,
            "key": key.hex(),
            "standings": [
                [index, dataclasses.asdict(one) | {"fault": None if one.fault is None else one.fault.value}]
                for index, one in memory.standings.items()
            ],
            "history": {
                "blocks": [next(names) for _ in history.blocks],
                "recent": [next(names) for _ in history.recent],
                "sketch": None if history.sketch is None else next(names),
                "model": None if history.model is None else next(names),
                "digests": digests,
                "most": history.most,
            },
        }
        beside = self._folder / "memory.json.new"
        beside.write_text(json.dumps(told))
        beside.replace(self._folder / "memory.json")
        self._files = held
        needed = {"memory.json", digests, *(name for _, name in held)}
        for path in self._folder.iterdir():
            if path.name not in needed:
                path.unlink()

    def _file_of(self, array: Rows) -> str:
        known = next((name for one, name in self._files if one is array), None)
        if known is not None:
            return known
        self._last += 1
        name = f"{self._last}.npy"
        np.save(self._folder / name, array, allow_pickle=False)
        return name

    def _history(self, told: Mapping[str, Any]) -> History:
        def read(name: str | None) -> Rows | None:
            if name is None:
                return None
            array: Rows = np.load(self._folder / name, allow_pickle=False)
            self._files.append((array, name))
            return array

        digests = (self._folder / told["digests"]).read_bytes()
        blocks, recent = [[read(name) for name in told[what]] for what in ("blocks", "recent")]
        return History(
            blocks=tuple(one for one in blocks if one is not None),
            recent=tuple(one for one in recent if one is not None),
            sketch=read(told["sketch"]),
            digests=frozenset(digests[place : place + 32] for place in range(0, len(digests), 32)),
            model=read(told["model"]),
            most=int(told["most"]),
        )


def _arrays(history: History) -> Iterator[Rows]:
    yield from history.blocks
    yield from history.recent
    if history.sketch is not None:
        yield history.sketch
    if history.model is not None:
        yield history.model


def _standings(told: Any) -> dict[int, Standing]:  # noqa: ANN401 - JSON values
    return {
        int(index): Standing(
            suspicion=float(one["suspicion"]),
            strikes=tuple(map(int, one["strikes"])),
            missed=tuple(map(int, one["missed"])),
            condemned=bool(one["condemned"]),
            fault=None if one["fault"] is None else Fault(one["fault"]),
            paroled=int(one["paroled"]),
        )
        for index, one in told
    }


def _form() -> str:
    """Which version judged, and what it remembers."""
    return form_of((Memory, Standing, History), __version__)
