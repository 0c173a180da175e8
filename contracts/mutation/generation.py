# SPDX-License-Identifier: Apache-2.0
"""Every mutant of a source file."""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.contracts.mutation import operators, statements
from bcfl.contracts.mutation.mutant import Mutant, made
from bcfl.contracts.mutation.tokens import Token, executable, tokenize

__all__ = ("mutants_of",)


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Mutants of the code in a file, by place; no two of them give the same text.

    Args:
        file: as the mutants call it.
        source: its content.
    """
    tokens = tokenize(source)
    found: dict[str, Mutant] = {}
    for kind, start, end in executable(tokens):
        for operator, first, last, replacement in _changes(tokens, kind, start, end):
            mutant = made(file, source, operator, tokens[first].start, tokens[last].end, replacement)
            if mutant.applied(source) != source:
                found.setdefault(mutant.applied(source), mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end))


def _changes(tokens: tuple[Token, ...], kind: str, start: int, end: int) -> Iterator[statements.Change]:
    if kind == "header":
        yield from statements.of_header(tokens, start, end)
        return
    blocks = statements.assembly_blocks(tokens, start, end)
    for place in range(start, end):
        in_assembly = any(first <= place < last for first, last in blocks)
        changes = (operators.of_yul if in_assembly else operators.of_solidity)(tokens, place)
        for operator, replacement in changes:
            yield operator, place, place, replacement
    if kind == "body":
        yield from statements.in_solidity(tokens, start, end)
        for first, last in blocks:
            yield from statements.in_yul(tokens, first, last)
