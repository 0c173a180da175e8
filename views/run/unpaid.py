# SPDX-License-Identifier: Apache-2.0
"""Who handed in an update and was not paid for it: why, in words, and what that cost beside the others of the round."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from bcfl.models.defences.defence import NOT_SELECTED
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import RoundSummary
from bcfl.views.kit.verdicts import reason_words

__all__ = ("Unpaid", "unpaid_in", "unpaid_words", "why_unpaid")

_SUSPECTED = "suspected"
_SUSPICION = "under suspicion: its updates made the model worse"
_WORTHLESS = "its update made the model no better"


@dataclass(frozen=True, kw_only=True)
class Unpaid:
    """One update; ``others``: the median of what was credited for the round to those who were paid, in base units."""

    round: int
    name: str
    why: str
    others: int


def unpaid_in(done: RoundSummary) -> tuple[Unpaid, ...]:
    """Everybody with an update, rejected or scored, who was credited nothing; nobody where the round paid nobody.

    A consortium's scores are parts of what all agreed on, and its rounds are told elsewhere.
    """
    paid = [int(amount) for amount in done.tokens.values() if int(amount)]
    if not paid or done.agreement is not None:
        return ()
    others = round(statistics.median(paid))
    return tuple(
        Unpaid(round=done.round, name=name, why=_why(done, name), others=others)
        for name in dict.fromkeys((*done.rejected, *done.scores))
        if not int(done.tokens.get(name, "0"))
    )


def _why(done: RoundSummary, name: str) -> str:
    return why_unpaid(done.rejected.get(name))


def why_unpaid(rejected: str | None) -> str:
    """Why an update was credited nothing, by the word with which it was kept out of the model; None: it was not kept out."""
    word = rejected or NOT_SELECTED
    return {NOT_SELECTED: _WORTHLESS, _SUSPECTED: _SUSPICION}.get(word) or reason_words(word)


def unpaid_words(rounds: Iterable[RoundSummary], *, most: int) -> list[str]:
    """One sentence for each, at most so many, and how many more there are."""
    every = [one for done in rounds for one in unpaid_in(done)]
    told = [
        f"{one.name} was not paid in round {one.round}: {one.why} (others: {format_tokens(one.others)})"
        for one in every[:most]
    ]
    return told + ([f"… and {len(every) - most:,} more"] if len(every) > most else [])
