# SPDX-License-Identifier: Apache-2.0
"""What a run that was killed has left: whose directory it is now, and how far its files can be believed.

A run on a driven devnet goes on after the last block that it has kept (``blocks.jsonl``): by then everything that the log
says of that block was written. Where time is the world's, nothing is taken back, and what agents did stays in the log.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bcfl.chain.mined_blocks import MinedBlock
from bcfl.scenarios.directory.json_lines import line_of, read_records
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.writing import writing
from bcfl.scenarios.errors import RunInUse, RunNotResumable

__all__ = ("carried_out", "held", "kept_blocks", "kept_records", "start_over")


_ATTEMPTS = 4
_PAUSE_S = 0.05


@contextmanager
def held(path: Path) -> Iterator[None]:
    """This process alone carries out the run in that directory, for the length of the block.

    Raises:
        RunInUse: another one does.
    """
    if sys.platform == "win32":  # no locks on directories there: a journal's own lock has to do
        yield
        return
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        for attempt in range(_ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if attempt == _ATTEMPTS - 1:
                    raise RunInUse(
                        f"Another process carries out the run in {path}; wait for its end, or stop it first."
                    ) from None
                time.sleep(_PAUSE_S)  # it may be no run, but somebody who looks whether there is one
        yield
    finally:
        os.close(descriptor)


def carried_out(path: Path) -> bool:
    """Whether a process carries out the run in that directory now; where that cannot be told, yes."""
    if sys.platform == "win32":
        return True
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def kept_blocks(directory: RunDirectory) -> list[MinedBlock]:
    """The blocks of the run's driven devnet.

    Raises:
        RunNotResumable: they are missing or damaged.
    """
    try:
        blocks = [MinedBlock.from_json(record) for record in read_records(directory.blocks_file)]
    except (KeyError, TypeError, ValueError) as error:
        raise RunNotResumable(
            f"{directory.blocks_file} is damaged, so the run's chain cannot be made again; run the scenario again."
        ) from error
    if [block.number for block in blocks] != list(range(len(blocks))) or not blocks:
        raise RunNotResumable(
            f"Blocks are missing in {directory.blocks_file}, so the run's chain cannot be made again; run the scenario again."
        )
    _write_again(
        directory.blocks_file, [block.to_json() for block in blocks]
    )  # without a line that was cut off
    return blocks


def kept_records(
    directory: RunDirectory, *, block: int | None, others: Collection[str]
) -> list[dict[str, Any]]:
    """The records of ``events.jsonl`` that stay, which is then all that it has.

    Args:
        directory: of the run.
        block: the last one that the run goes on after; None: all stay.
        others: participants of other processes, whose records come to the end of the log when the run ends.

    Raises:
        RunDirectoryUnreadable: the log is damaged.
    """
    if not directory.events_file.is_file():
        return []
    kept = [
        record
        for record in directory.events()
        if _stays(record, block)
        and record["source"] not in others
        and (record["source"] != "runner" or record["event"] == "run_started")  # what it measured at the end
    ]
    _write_again(directory.events_file, kept)
    return kept


def _stays(record: dict[str, Any], block: int | None) -> bool:
    """What agents did after they had seen a block bears its number, and is done again."""
    if block is None or record["block"] < block:
        return True
    return bool(record["source"] == "chain" and record["block"] == block)


def start_over(directory: RunDirectory) -> None:
    """Take away what a run has written that was killed before its chain was set up."""
    directory.forget_chain()
    directory.events_file.unlink(missing_ok=True)


def _write_again(path: Path, records: list[dict[str, Any]]) -> None:
    aside = path.with_suffix(".partial")
    with writing(path):
        with aside.open("w", encoding="utf-8") as file:
            file.writelines(f"{line_of(record)}\n" for record in records)
        aside.replace(path)
