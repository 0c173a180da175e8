# SPDX-License-Identifier: Apache-2.0
"""A consortium's members side by side, one line each: on a page, where they are many, and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.consortium.judges import JudgeRecord
from bcfl.views.consortium.members import (
    Gain,
    Vocabulary,
    contribution_words,
    gain_of,
    most_words,
    pairs_words,
    tokens_of,
)
from bcfl.views.consortium.words import notes

__all__ = ("Column", "columns_of")

_NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading, and a cell for every member; ``text``: words, not a number."""

    head: str
    cells: tuple[str, ...]
    text: bool = False

    @property
    def told(self) -> bool:
        """Whether there is anything in it."""
        return any(cell not in {"", _NOTHING} for cell in self.cells)


def columns_of(
    summary: Summary, words: Vocabulary, judges: Mapping[str, JudgeRecord] | None = None
) -> list[Column]:
    """What there is to say of the members, in their order; columns without anything are left out.

    Args:
        summary: of the run.
        words: what members and samples are called.
        judges: by member, how it judged; None for a narrow table, with numbers alone.
    """
    members = summary.members
    tokens = [tokens_of(member) for member in members.values()]
    flipped = [f"{member.flipped:.0%}" if member.flipped else _NOTHING for member in members.values()]
    found = [
        Column(head=words.member, cells=tuple(members), text=True),
        *([_counts(summary)] if judges is None else [*_right(summary, words), _pairs(summary)]),
        Column(head="useful to others", cells=tuple(map(contribution_words, members.values()))),
        Column(head="tokens", cells=tuple(paid["all"] for paid in tokens)),
        Column(head="for training", cells=tuple(paid["training"] for paid in tokens)),
        Column(head="for judging", cells=tuple(paid["judging"] for paid in tokens)),
        Column(head="labels replaced", cells=tuple(flipped)),
    ]
    if judges is not None:
        most = tuple(format_tokens(judges[name].most, places=2) for name in members)
        found.insert(-1, Column(head="of at most", cells=most))
        known = tuple(" ".join(notes(name, summary)) for name in members)
        found.append(Column(head="to know", cells=known, text=True))
    return [column for column in found if column.told]


def _counts(summary: Summary) -> Column:
    """Right answers in one column."""
    gains = [gain_of(member) for member in summary.members.values()]
    cells = [
        _NOTHING if gain is None else f"{gain.alone:,} → {gain.together:,} of {gain.of:,}" for gain in gains
    ]
    return Column(head="right, alone → together", cells=tuple(cells))


def _right(summary: Summary, words: Vocabulary) -> list[Column]:
    """Right answers alone and together; the number of samples stands in the heading where it is the same for all."""
    gains = [gain_of(member) for member in summary.members.values()]
    sizes = {gain.of for gain in gains if gain is not None}
    alike = f" of {sizes.pop():,}" if len(sizes) == 1 else ""
    alone = [_count(None if gain is None else gain.alone, gain, alike) for gain in gains]
    together = [_count(None if gain is None else gain.together, gain, alike) for gain in gains]
    differences = ["" if gain is None else _difference(gain) for gain in gains]
    return [
        Column(head=f"{words.samples} right{alike}: alone", cells=tuple(alone)),
        Column(head="together", cells=tuple(together)),
        Column(head="", cells=tuple(differences), text=True),
    ]


def _pairs(summary: Summary) -> Column:
    cells = [
        _NOTHING
        if gain_of(member) is None
        else " → ".join(pairs_words(model) or _NOTHING for model in (member.alone, member.federated))
        for member in summary.members.values()
    ]
    return Column(head="of 100 pairs told apart", cells=tuple(cells))


def _count(count: int | None, gain: Gain | None, alike: str) -> str:
    if count is None or gain is None:
        return _NOTHING
    return f"{count:,}" if alike else f"{count:,} of {gain.of:,}"


def _difference(gain: Gain) -> str:
    return f"{most_words(gain)}{' (chance?)' if gain.may_be_chance else ''}"
