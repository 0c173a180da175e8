# SPDX-License-Identifier: Apache-2.0
"""The directory that a run leaves behind, and its files::

    scenario.yaml      the scenario with every key written out
    chain.json         chain id, node address, contract addresses
    events.jsonl       every chain event and every agent's decision, in order, one JSON object a line
    rounds.jsonl       one settled round a line, as in the summary
    summary.json       what the run came to (docs/summary.md)
    final.safetensors  the last global model
    model.json         its network, and how samples become its inputs
    blobs/             the store, where it is a directory
    log.jsonl          the program's log
    digests.json       what the run wrote, file by file and line by line, for audits
    report.html        the report, self-contained
    figures/           its figures as SVG and PDF
    blocks.jsonl       until it has ended: the blocks of its driven devnet, to mine them again
    devnet.json        until it has ended: the state of its devnet with blocks of their own time
    agents/            what participants in processes of their own wrote: NAME.sqlite (the journal), NAME.events.jsonl,
                       NAME.jsonl (the program's log)

A line of ``events.jsonl`` has at least ``event`` (a name), ``source`` (``chain``, or the agent that decided), ``time``
(seconds of chain time) and ``block`` (a number); the rest depends on the event.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from pydantic import ValidationError
from pydantic_core import from_json

from bcfl.log import public_url
from bcfl.models.card import ModelCard
from bcfl.scenarios.definition.loading import load, resolved
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.json_lines import damaged, line_of, read_records, whole_lines
from bcfl.scenarios.directory.writing import writing, written_whole
from bcfl.scenarios.errors import RunDirectoryOccupied, RunDirectoryUnreadable
from bcfl.scenarios.outcome.summary import RoundSummary, Summary, read_summary, summary_text

__all__ = ("RunDirectory",)


class RunDirectory:
    """One run's files: ``create`` for the run that writes them, ``open`` for whoever reads them later.

    What writes raises ``RunDirectoryUnwritable`` where the disk does not take it.

    Lines are written whole and flushed at once, so that a killed run leaves all it knew. Used as a context manager
    it closes the files it appends to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._appended: dict[Path, TextIO] = {}

    @classmethod
    def create(
        cls, scenario: Scenario, *, out: Path | None = None, root: Path = Path("runs")
    ) -> RunDirectory:
        """Make the directory (``out``, or ``root/name-stamp``) and write the scenario into it.

        Raises:
            RunDirectoryOccupied: ``out`` holds files, is a file, or cannot be made.
            RunDirectoryUnwritable: there is no room for the scenario.
        """
        path = out if out is not None else _fresh(root, scenario.name)
        cls.check_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise RunDirectoryOccupied(f"{path} is a file; give a directory with --out.") from None
        except OSError as error:
            raise RunDirectoryOccupied(
                f"The directory {path} cannot be made ({error.strerror}); give another with --out."
            ) from error
        directory = cls(path)
        url = scenario.chain.url
        if url is not None:
            shown = scenario.chain.model_copy(update={"url": public_url(url)})
            scenario = scenario.model_copy(update={"chain": shown})
        with writing(directory.scenario_file):
            directory.scenario_file.write_text(resolved(scenario), encoding="utf-8")
        return directory

    @staticmethod
    def check_free(out: Path | None) -> None:
        """Whether a run may write there, as far as that is known before it does; None: a new directory.

        Raises:
            RunDirectoryOccupied: it holds files, or is one.
        """
        if out is None or not out.exists():
            return
        if not out.is_dir():
            raise RunDirectoryOccupied(f"{out} is a file; give a directory with --out.")
        if any(out.iterdir()):
            raise RunDirectoryOccupied(
                f"{out} holds files already; give an empty or a new directory with --out."
            )

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """A directory that a run wrote.

        Raises:
            RunDirectoryUnreadable: there is no run in it.
        """
        if not path.is_dir():
            raise RunDirectoryUnreadable(f"There is no directory {path}; give one that 'bcfl run' wrote.")
        directory = cls(path)
        if not directory.scenario_file.is_file():
            raise RunDirectoryUnreadable(
                f"{path} has no scenario.yaml; give a directory that 'bcfl run' wrote."
            )
        return directory

    @property
    def scenario_file(self) -> Path:
        """The resolved scenario."""
        return self.path / "scenario.yaml"

    @property
    def chain_file(self) -> Path:
        """Where the contracts are."""
        return self.path / "chain.json"

    @property
    def events_file(self) -> Path:
        """Chain events and decisions."""
        return self.path / "events.jsonl"

    @property
    def rounds_file(self) -> Path:
        """Settled rounds."""
        return self.path / "rounds.jsonl"

    @property
    def summary_file(self) -> Path:
        """What the run came to."""
        return self.path / "summary.json"

    @property
    def model_file(self) -> Path:
        """The last global model."""
        return self.path / "final.safetensors"

    @property
    def card_file(self) -> Path:
        """What whoever uses the model needs to know."""
        return self.path / "model.json"

    @property
    def genesis_file(self) -> Path:
        """The model that ``task.genesis`` names, as it was when the run began."""
        return self.path / "genesis.safetensors"

    @property
    def digests_file(self) -> Path:
        """Digests of files and lines, as the run wrote them."""
        return self.path / "digests.json"

    @property
    def blocks_file(self) -> Path:
        """Blocks of a driven devnet."""
        return self.path / "blocks.jsonl"

    @property
    def devnet_file(self) -> Path:
        """The state of a devnet that is not driven, as anvil writes it."""
        return self.path / "devnet.json"

    @property
    def blobs(self) -> Path:
        """The directory store."""
        return self.path / "blobs"

    @property
    def log_file(self) -> Path:
        """The program's log, JSON lines."""
        return self.path / "log.jsonl"

    @property
    def report_file(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """The report's figures as files."""
        return self.path / "figures"

    @property
    def agents(self) -> Path:
        """What participants in processes of their own wrote."""
        return self.path / "agents"

    def journal_file(self, name: str) -> Path:
        """The journal of a participant in a process of its own."""
        return self.agents / f"{name}.sqlite"

    def agent_log_file(self, name: str) -> Path:
        """The program's log of that process."""
        return self.agents / f"{name}.jsonl"

    def agent_events_file(self, name: str) -> Path:
        """What that participant decided, as lines of ``events.jsonl``."""
        return self.agents / f"{name}.events.jsonl"

    def append_agent_event(self, name: str, record: Mapping[str, Any]) -> None:
        """Add a line to a participant's own event log; a line that a kill cut off before is taken away."""
        path = self.agent_events_file(name)
        if path not in self._appended and path.is_file():
            written = path.read_bytes()
            os.truncate(path, written.rfind(b"\n") + 1)
        self._append(path, line_of(record))

    def append_event(self, record: Mapping[str, Any]) -> None:
        """Add a line to ``events.jsonl``; keys are sorted, so that equal records are equal lines."""
        self._append(self.events_file, line_of(record))

    def append_block(self, record: Mapping[str, Any]) -> None:
        """Add a line to ``blocks.jsonl``."""
        self._append(self.blocks_file, line_of(record))

    def append_round(self, summary: RoundSummary) -> None:
        """Add a line to ``rounds.jsonl``."""
        self._append(self.rounds_file, summary.model_dump_json())

    def write_summary(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        written_whole(self.summary_file, summary_text(summary))

    def write_chain(self, record: Mapping[str, Any]) -> None:
        """Write ``chain.json``, whole or not at all: agents in other processes wait for it."""
        written_whole(self.chain_file, json.dumps(record, indent=2, sort_keys=True) + "\n")

    def write_model(self, data: bytes, card: ModelCard) -> None:
        """Write the final model, safetensors as it is in the store, and what whoever uses it needs to know."""
        written_whole(self.card_file, card.model_dump_json(indent=2) + "\n")
        with writing(self.model_file):
            self.model_file.write_bytes(data)

    def scenario(self) -> Scenario:
        """The scenario of the run.

        Raises:
            ScenarioError: the file is damaged.
        """
        return load(self.scenario_file).as_written()

    def summary(self) -> Summary:
        """What the run came to.

        Raises:
            SummaryUnreadable: the run did not end, or the file is damaged.
        """
        return read_summary(self.summary_file)

    def chain(self) -> dict[str, Any]:
        """Where the contracts are.

        Raises:
            RunDirectoryUnreadable: the file is missing or damaged.
        """
        try:
            data = from_json(self.chain_file.read_bytes())
        except (OSError, ValueError) as error:
            raise RunDirectoryUnreadable(
                f"{self.chain_file} is missing or damaged; run the scenario again."
            ) from error
        if not isinstance(data, dict):
            raise RunDirectoryUnreadable(f"{self.chain_file} is damaged; run the scenario again.")
        return data

    def events(self) -> Iterator[dict[str, Any]]:
        """The records of ``events.jsonl``; a last line that was cut off by a kill is left out.

        Raises:
            RunDirectoryUnreadable: the file is missing or damaged.
        """
        yield from read_records(self.events_file)

    def agent_events(self, name: str) -> Iterator[dict[str, Any]]:
        """What a participant in a process of its own decided so far; nothing where it never began.

        Raises:
            RunDirectoryUnreadable: the file is damaged.
        """
        path = self.agent_events_file(name)
        return read_records(path) if path.is_file() else iter(())

    def rounds(self) -> Iterator[RoundSummary]:
        """The rounds of ``rounds.jsonl``.

        Raises:
            RunDirectoryUnreadable: the file is missing or damaged.
        """
        for number, line in whole_lines(self.rounds_file):
            try:
                yield RoundSummary.model_validate_json(line)
            except ValidationError as error:
                raise damaged(self.rounds_file, number) from error

    def forget_chain(self) -> None:
        """The run has ended: nobody will make its devnet again."""
        self.close()
        for path in (self.blocks_file, self.devnet_file):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files that were appended to."""
        for file in self._appended.values():
            with suppress(OSError):  # what was not written has been said; each line is flushed as it comes
                file.close()
        self._appended.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, path: Path, line: str) -> None:
        with writing(path):
            file = self._appended.get(path)
            if file is None:
                file = self._appended[path] = path.open("a", encoding="utf-8")
            file.write(line + "\n")
            file.flush()


def _fresh(root: Path, name: str) -> Path:
    """A directory that does not exist yet; runs of the same second get a number."""
    stamp = datetime.now(UTC).astimezone().strftime("%Y%m%d-%H%M%S")
    path = root / f"{name}-{stamp}"
    number = 2
    while path.exists():
        path = root / f"{name}-{stamp}-{number}"
        number += 1
    return path
