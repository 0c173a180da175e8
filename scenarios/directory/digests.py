# SPDX-License-Identifier: Apache-2.0
"""``digests.json``: what a run wrote, file by file, and of files of lines line by line.

It is the last file that a run writes, so that an audit can name each line that was altered, taken out, put in or moved
since; ``bcfl run`` writes it again once there is a report. It proves nothing against somebody who writes it again: that is what the audit's other checks, and a chain, are for.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from bcfl.agents.audit.finding import Finding
from bcfl.scenarios.directory.event_log import read_lines
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.writing import written_whole

__all__ = ("digest_findings", "write_digests")

_LINE_DIGITS = 16
"""Hexadecimal digits kept of each line's sha256: it names a line, an event log may have a hundred thousand."""


class _Digests(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    files: dict[str, str]
    """sha256 by name."""
    lines: dict[str, list[str]]
    """The first digits of each line's sha256, by name."""


def write_digests(directory: RunDirectory) -> None:
    """Write the file; nothing that it speaks about may be written after it."""
    text = json.dumps(_taken(directory).model_dump(), indent=0, sort_keys=True) + "\n"
    written_whole(directory.digests_file, text)


def digest_findings(directory: RunDirectory) -> Iterator[Finding]:
    """Every file and line that is not what the run wrote."""
    name = directory.digests_file.name
    try:
        written = _Digests.model_validate_json(directory.digests_file.read_bytes())
    except FileNotFoundError:
        yield Finding(
            subject=name,
            message="it is missing: nothing says what else was altered since the run ended",
            where=name,
        )
        return
    except (OSError, ValidationError):
        yield Finding(subject=name, message="it is damaged: it is not what a run writes", where=name)
        return
    found = _taken(directory)
    later = {directory.report_file.name}  # anybody may write one for a run that has none
    for file in sorted({*written.files, *found.files} - (later - written.files.keys())):
        if found.files.get(file) != written.files.get(file):
            yield _file_finding(file, file in written.files, file in found.files)
    for file in sorted({*written.lines, *found.lines}):
        if file not in found.lines or file not in written.lines:
            yield _file_finding(file, file in written.lines, file in found.lines)
        else:
            yield from _line_findings(file, written.lines[file], found.lines[file])


def _taken(directory: RunDirectory) -> _Digests:
    whole = (
        directory.scenario_file,
        directory.chain_file,
        directory.summary_file,
        directory.model_file,
        directory.card_file,
        directory.genesis_file,
        directory.report_file,
    )
    by_line = (directory.events_file, directory.rounds_file)
    return _Digests(
        files={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in whole if path.is_file()},
        lines={
            path.name: [_line_digest(text) for _, text in read_lines(path)]
            for path in by_line
            if path.is_file()
        },
    )


def _line_digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_LINE_DIGITS]


def _file_finding(file: str, was: bool, is_now: bool) -> Finding:
    if was and is_now:
        message = "it is not the file that the run wrote (digests.json)"
    else:
        message = "it is missing" if was else "the run wrote no such file (digests.json)"
    return Finding(subject=file, message=message, where=file)


def _line_findings(file: str, written: Sequence[str], found: Sequence[str]) -> Iterator[Finding]:
    start = 0  # what is equal at both ends needs no search
    while start < min(len(written), len(found)) and written[start] == found[start]:
        start += 1
    if start == len(written) == len(found):
        return
    was, now = written[start:], found[start:]
    former = {digest: number for number, digest in enumerate(written, start=1)}
    matcher = difflib.SequenceMatcher(a=was, b=now, autojunk=False)
    for kind, low, high, first, last in matcher.get_opcodes():
        if kind == "equal":
            continue
        for place in range(first, last):
            replaced = low + place - first
            if kind == "replace" and replaced < high and now[place] not in former:
                message = "it is not the line that the run wrote"
            elif now[place] in former:
                message = f"it was written as line {former[now[place]]}"
            else:
                message = "the run wrote no such line"
            yield _line_finding(file, start + place + 1, message)
        gone = (high - low) - (last - first)
        if gone > 0:
            lines = "a line is" if gone == 1 else f"{gone} lines are"
            yield _line_finding(
                file,
                start + last + 1,
                f"{lines} missing before it, written as line {start + high - gone + 1}",
            )


def _line_finding(file: str, number: int, message: str) -> Finding:
    return Finding(subject=file, message=f"{message} (digests.json)", where=f"{file}, line {number}")
