# SPDX-License-Identifier: Apache-2.0
"""The validation-selected subset S*: updates without which the mean of the others is no better.

Backward elimination on validation loss, the idea of FedGreed (arXiv 2508.18060) from the other end: nobody has to say how
many adversaries there are, and honest members with unusual data stay, because dropping them costs something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.models.defences.defence import DefenceRound
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.weights import Weights

__all__ = ("Subset", "select")


@dataclass(frozen=True, kw_only=True)
class Subset:
    """What was kept, by place; ``marginal``: by how much each place lowers the loss of the others kept, in nats."""

    kept: frozenset[int]
    loss: float
    marginal: tuple[float, ...]


async def select(
    made: DefenceRound, models: Sequence[Weights], laboratory: ScoringEngine, *, gain: float, least: float
) -> Subset:
    """Drop, one after the other, the update without which the loss of the mean falls most.

    Args:
        made: the round.
        models: the updates considered.
        laboratory: evaluates means.
        gain: an update is dropped only if the loss falls by more than this share, and by more than a fifth of it of
            the start model's: what the round hardly changes is noise of the validation set.
        least: keep at least this share of the updates.
    """
    count = len(models)
    if not count:
        return Subset(kept=frozenset(), loss=float("nan"), marginal=())
    everybody = (1 << count) - 1

    async def losses(coalitions: Sequence[int]) -> list[float]:
        found = await laboratory.coalition_losses(
            made.network, made.start, models, None, coalitions, made.samples_key
        )
        return [loss if np.isfinite(loss) else float("inf") for loss in found]

    kept = everybody
    before, loss = await losses([0, kept])
    floor = max(1, int(np.ceil(least * count)))
    while True:
        members = [place for place in range(count) if kept >> place & 1]
        without = await losses([kept ^ 1 << place for place in members]) if len(members) > 1 else []
        if not without or len(members) <= floor:
            break
        best = int(np.argmin(without))
        # Of a broken mean, infinite, anything that mends it is a gain.
        if not (without[best] < loss == np.inf or loss - without[best] > gain * max(loss, before / 5)):
            break
        kept ^= 1 << members[best]
        loss = without[best]
    dropped = [place for place in range(count) if not kept >> place & 1]
    joined = await losses([kept | 1 << place for place in dropped])
    marginal = [0.0] * count
    for place, other in zip(members, without, strict=False):
        marginal[place] = other - loss
    for place, other in zip(dropped, joined, strict=True):
        marginal[place] = loss - other
    return Subset(kept=frozenset(members), loss=loss, marginal=tuple(marginal))
