# SPDX-License-Identifier: Apache-2.0
"""Solidity's text as tokens, and which of them are code that runs: enough to change it, far less than a parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ("Token", "closing", "executable", "tokenize")

_PATTERN = re.compile(
    r"""
    (?P<skipped> \s+ | //[^\n]* | /\*.*?\*/ )
  | (?P<string>  "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
  | (?P<number>  0x[0-9a-fA-F_]+ | \d[\d_]*(?:\.\d+)?(?:e\d+)? )
  | (?P<word>    [A-Za-z_$][\w$]* )
  | (?P<sign>    >>>= | <<= | >>= | \*\* | \+\+ | -- | && | \|\| | [-+*/%&|^=!<>:]= | => | -> | << | >> | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_CALLABLE = frozenset({"function", "constructor", "modifier", "receive", "fallback"})


@dataclass(frozen=True)
class Token:
    """A word, number, string or sign.

    Attributes:
        kind: ``word``, ``number``, ``string`` or ``sign``.
        text: as it is written.
        start: offset of its first character.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Offset behind its last character."""
        return self.start + len(self.text)


def tokenize(source: str) -> tuple[Token, ...]:
    """Every token but space and comments."""
    return tuple(
        Token(kind=match.lastgroup, text=match[0], start=match.start())
        for match in _PATTERN.finditer(source)
        if match.lastgroup is not None and match.lastgroup != "skipped"
    )


def closing(tokens: tuple[Token, ...], place: int) -> int:
    """Where the bracket that opens at a place closes.

    Raises:
        ValueError: it does not.
    """
    wanted: list[str] = []
    for at in range(place, len(tokens)):
        text = tokens[at].text
        if text in _BRACKETS:
            wanted.append(_BRACKETS[text])
        elif wanted and text == wanted[-1]:
            wanted.pop()
            if not wanted:
                return at
    raise ValueError(f"the bracket at offset {tokens[place].start} does not close")


def executable(tokens: tuple[Token, ...]) -> Iterator[tuple[str, int, int]]:
    """Stretches of code: ``header`` and ``body`` of everything that can be called, and the ``value`` of each constant.

    Yields:
        Kind, first place and the place behind the last; a body without its braces, a header from its name on.
    """
    place = 0
    while place < len(tokens):
        text = tokens[place].text
        if text in _CALLABLE:
            start = place = place + 1
            while tokens[place].text not in {"{", ";"}:
                place = closing(tokens, place) + 1 if tokens[place].text == "(" else place + 1
            yield "header", start, place
            if tokens[place].text == "{":
                end = closing(tokens, place)
                yield "body", place + 1, end
                place = end
        elif text == "constant":
            end = next(at for at in range(place, len(tokens)) if tokens[at].text == ";")
            start = next(at for at in range(place, end) if tokens[at].text == "=") + 1
            yield "value", start, end
            place = end
        place += 1
