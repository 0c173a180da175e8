# SPDX-License-Identifier: Apache-2.0
"""What a tracker is, and which numbers of a round it is given.

Numbers of single trainers are given where there are at most ``MOST_NAMED``; of more the least, the median and the largest.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Protocol

from bcfl.scenarios.definition.tokens import BASE_UNITS
from bcfl.scenarios.following.story import Began, Ended
from bcfl.scenarios.outcome.summary import RoundSummary

__all__ = ("MOST_NAMED", "Tracker", "numbers_of")

MOST_NAMED = 64


class Tracker(Protocol):
    """Keeps what it is told of one task, in this order; all of it blocks."""

    def began(self, told: Began) -> None:
        """The task: parameters and where it is."""
        ...

    def settled(self, done: RoundSummary) -> None:
        """One more round."""
        ...

    def ended(self, told: Ended) -> None:
        """The end: the final model, and what else is left."""
        ...

    def close(self) -> None:
        """Nothing more is told; what was is kept."""
        ...


def numbers_of(done: RoundSummary) -> dict[str, float]:
    """A round's numbers by name: ``global/loss``, ``tokens/alice``, ``gas/trainer``, …"""
    tokens = {name: int(amount) / BASE_UNITS for name, amount in done.tokens.items()}
    single = {
        "global/loss": done.global_loss,
        "global/accuracy": done.global_accuracy,
        "tokens/all": sum(tokens.values()),
        "gas/all": float(sum(done.gas.values())),
        "members/scored": float(len(done.scores)),
        "members/rejected": float(len(done.rejected)),
        "members/suspended": float(len(done.suspended)),
        "members/ejected": float(len(done.ejected)),
        "objections": float(len(done.objections)),
        **{f"gas/{role}": float(used) for role, used in done.gas.items()},
    }
    found = {name: value for name, value in single.items() if value is not None}
    for what, values in (
        ("tokens", tokens),
        ("score", done.scores),
        ("local_loss", done.local_loss),
        ("validation_loss", done.validation_loss),
        ("epsilon", done.epsilon),
    ):
        found |= dict(_by_trainer(what, values))
    return found


def _by_trainer(what: str, values: Mapping[str, float | None]) -> Iterator[tuple[str, float]]:
    known = {name: value for name, value in values.items() if value is not None}
    if len(values) <= MOST_NAMED:
        yield from ((f"{what}/{name}", value) for name, value in known.items())
    elif known:
        numbers = list(known.values())
        yield from (
            (f"{what}/least", min(numbers)),
            (f"{what}/median", statistics.median(numbers)),
            (f"{what}/largest", max(numbers)),
        )
