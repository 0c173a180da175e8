# SPDX-License-Identifier: Apache-2.0
"""The validation-selected subset S*: updates without which the mean of the others is no better.

Backward elimination on validation loss, the idea of FedGreed (arXiv 2508.18060) from the other end: nobody has to say how
many adversaries there are, and honest members with unusual data stay, because dropping them costs something.

Of many updates one alone hardly moves the mean. Then those that its gradient speaks against most are dropped together, as
many as the loss falls by, and what one update counts for is told as if it were one of a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bcfl.models.defences.defence import DefenceRound
from bcfl.models.defences.many import is_many
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.weights import Weights

__all__ = ("Subset", "select")

_SHARES = tuple(1 / 2**power for power in range(1, 9))
"""Of those kept: how many are dropped at a time."""
_USUAL = 10
"""Members of a round by whose measure ``marginal`` is told: of more, each counts for less."""


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
    if is_many(count):
        return await _select_many(made, models, laboratory, gain=gain, least=least)
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


async def _select_many(
    made: DefenceRound, models: Sequence[Weights], laboratory: ScoringEngine, *, gain: float, least: float
) -> Subset:
    start = made.start.vector.astype(np.float64)
    floor = max(1, int(np.ceil(least * len(models))))
    kept = np.ones(len(models), dtype=bool)

    def mean(chosen: npt.NDArray[np.bool_]) -> Weights:
        total = np.zeros_like(start)
        for model, there in zip(models, chosen, strict=True):
            if there:
                total += model.vector - start
        return Weights(made.start.schema, (start + total / max(1, int(chosen.sum()))).astype(np.float32))

    async def losses(asked: Sequence[Weights]) -> list[float]:
        found = await laboratory.class_losses(made.network, asked, made.samples_key)
        return [float(loss) if np.isfinite(loss) else float("inf") for loss in found.means]

    async def harms(centre: Weights) -> npt.NDArray[np.float64]:
        """By how much each moves the mean where the loss rises, (n,)."""
        found = await laboratory.class_losses(made.network, [made.start], made.samples_key)
        groups = np.zeros(len(found.counts), dtype=np.int64)
        slope = await laboratory.class_gradients(made.network, centre, made.samples_key, groups=groups)
        flat = np.nan_to_num(slope[0, 0], posinf=0.0, neginf=0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            along = np.array([float(flat @ (model.vector - centre.vector)) for model in models])
        harm: npt.NDArray[np.float64] = np.nan_to_num(along, nan=np.inf)
        return harm

    centre = mean(kept)
    before, loss = await losses([made.start, centre])
    while True:
        harm = await harms(centre)
        order = [int(place) for place in np.argsort(-harm, kind="stable") if kept[place] and harm[place] > 0]
        sizes = sorted({max(1, int(share * kept.sum())) for share in _SHARES})
        sizes = [size for size in sizes if size <= len(order) and kept.sum() - size >= floor]
        if not sizes:
            break
        smaller = [kept & ~np.isin(np.arange(len(models)), order[:size]) for size in sizes]
        centres = [mean(chosen) for chosen in smaller]
        found = await losses(centres)
        best = int(np.argmin(found))
        if not (found[best] < loss == np.inf or loss - found[best] > gain * max(loss, before / 5)):
            break
        kept, centre, loss = smaller[best], centres[best], found[best]
    # what the loss rises by without one of a few, to first order: a thousand move the mean a hundred times less each
    marginal = -harm / (_USUAL - 1)
    return Subset(
        kept=frozenset(map(int, np.flatnonzero(kept))), loss=loss, marginal=tuple(map(float, marginal))
    )
