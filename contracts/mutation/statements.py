# SPDX-License-Identifier: Apache-2.0
"""Where statements and conditions lie, and what becomes of them: a statement is left out, a condition always holds or never."""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.contracts.mutation.tokens import Token, closing

__all__ = ("Change", "assembly_blocks", "in_solidity", "in_yul", "of_header")

Change = tuple[str, int, int, str]
"""Kind of fault, first and last token of what is replaced, replacement."""

_LOCATIONS = frozenset({"memory", "storage", "calldata", "payable"})
_OF_A_HEADER = frozenset(
    {"public", "external", "internal", "private", "view", "pure", "payable", "virtual", "override", "returns"}
)


def of_header(tokens: tuple[Token, ...], start: int, end: int) -> Iterator[Change]:
    """Leave out a modifier, such as a lock, that takes no arguments."""
    place = start
    while place < end:
        token, following = tokens[place], tokens[place + 1].text
        if token.text == "(":
            place = closing(tokens, place)
        elif token.kind == "word" and token.text not in _OF_A_HEADER and following != "(":
            yield "modifier", place, place, ""
        place += 1


def assembly_blocks(tokens: tuple[Token, ...], start: int, end: int) -> list[tuple[int, int]]:
    """The assembly blocks of a body, without their braces."""
    blocks = []
    place = start
    while place < end:
        if tokens[place].text == "assembly":
            brace = next(at for at in range(place, end) if tokens[at].text == "{")
            place = closing(tokens, brace)
            blocks.append((brace + 1, place))
        place += 1
    return blocks


def in_solidity(tokens: tuple[Token, ...], start: int, end: int) -> Iterator[Change]:
    """Changes of a body's statements and conditions; those of its assembly are ``in_yul``."""
    place = start
    alone = False  # the one statement of an 'if', without braces
    while place < end:
        text = tokens[place].text
        if text in {"if", "while", "for"}:
            last = closing(tokens, place + 1)
            if text != "for":
                yield "condition", place + 2, last - 1, "false"
            if text == "if":
                yield "condition", place + 2, last - 1, "true"
            alone = text == "if"
            place = last + 1
        elif text == "assembly":
            place = closing(tokens, next(at for at in range(place, end) if tokens[at].text == "{")) + 1
        elif text in {"try", "catch"}:
            while tokens[place].text != "{":
                place = closing(tokens, place) + 1 if tokens[place].text == "(" else place + 1
        elif text in {"{", "}", "else", "unchecked", "do", ";"}:
            alone = False
            place += 1
        else:
            last = _semicolon(tokens, place)
            # 'if (false)' leaves it out as well, where there is no 'else'
            said = alone and tokens[last + 1].text != "else"
            if not said and not _declares(tokens, place, last):
                yield "statement", place, last, "{}"
            alone = False
            place = last + 1


def _semicolon(tokens: tuple[Token, ...], place: int) -> int:
    while tokens[place].text != ";":
        place = closing(tokens, place) + 1 if tokens[place].text in {"(", "[", "{"} else place + 1
    return place


def _declares(tokens: tuple[Token, ...], place: int, last: int) -> bool:
    """Whether a statement declares a variable, which later ones need: a type is followed by a name."""
    if tokens[place].text in {"emit", "return", "revert", "delete"}:
        return False
    if tokens[place].text == "(":
        inner = closing(tokens, place)
        return any(
            _declares(tokens, at, inner) for at in range(place + 1, inner) if tokens[at - 1].text in "(,"
        )
    while place < last and tokens[place + 1].text in {"[", "."}:
        place = closing(tokens, place + 1) if tokens[place + 1].text == "[" else place + 2
    following = tokens[place + 1]
    return following.kind == "word" or following.text in _LOCATIONS


def in_yul(tokens: tuple[Token, ...], start: int, end: int) -> Iterator[Change]:
    """Changes of an assembly block's statements and conditions."""
    place = start
    while place < end:
        text = tokens[place].text
        if text == "if":
            last = _expression(tokens, place + 1)
            yield "condition", place + 1, last, "0"
            yield "condition", place + 1, last, "1"
            place = last + 1
        elif text in {"continue", "break", "leave"}:
            yield "statement", place, place, ""
            place += 1
        elif text == "let":
            while tokens[place].text != ":=":
                place += 1
            place = _expression(tokens, place + 1) + 1
        elif text == "for":  # its condition stands between two blocks
            post = closing(tokens, place + 1) + 1
            yield from in_yul(tokens, place + 2, post - 1)
            place = _expression(tokens, post) + 1
        elif tokens[place].kind == "word" and tokens[place + 1].text in {"(", ":="}:
            assigned = tokens[place + 1].text == ":="
            last = _expression(tokens, place + 2 if assigned else place)
            yield "statement", place, last, ""
            place = last + 1
        else:
            place += 1


def _expression(tokens: tuple[Token, ...], place: int) -> int:
    """The last token of an expression of assembly: a name, a number, or a call."""
    return closing(tokens, place + 1) if tokens[place + 1].text == "(" else place
