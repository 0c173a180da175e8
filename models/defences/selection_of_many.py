# SPDX-License-Identifier: Apache-2.0
"""The validation-selected subset S* of many updates, of which one alone hardly moves the mean.

Those that are worth less than nothing beyond doubt are dropped together, where the loss falls enough by it; evaluations
are as many as halvings of their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bcfl.models.defences.defence import DefenceRound
from bcfl.models.defences.selection import Subset
from bcfl.models.defences.worth import Worth
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.weights import Weights

__all__ = ("select_of_many",)

_SURE = 2.0
"""Standard errors below 0 of what an update is worth, from which it may be dropped."""
_USUAL = 10
"""Of a round of so many, one must bring the whole gain to be dropped; of more, each tenth of them."""
_LEAST_PART = 0.5
"""Of that gain: what any number must bring, so that noise drops nobody."""


async def select_of_many(
    made: DefenceRound,
    models: Sequence[Weights],
    worth: Worth,
    laboratory: ScoringEngine,
    *,
    gain: float,
    least: float,
) -> Subset:
    """Drop the worst, as many as pay.

    Args:
        made: the round.
        models: the updates considered, many.
        worth: of each.
        laboratory: evaluates means and takes their gradient.
        gain: by this share, and by more than a fifth of it of the start model's, the loss falls for each tenth that is dropped.
        least: keep at least this share of the updates.
    """
    count = len(models)
    harmful = np.flatnonzero(worth.certainty < -_SURE)
    order = harmful[np.argsort(worth.values[harmful], kind="stable")][: count - int(np.ceil(least * count))]
    sizes = sorted({len(order) >> halvings for halvings in range(len(order).bit_length())} - {0})
    choices = [np.ones(count, dtype=bool)]
    choices += [~np.isin(np.arange(count), order[:size]) for size in sizes]
    centres = [_mean(made.start, models, chosen) for chosen in choices]
    found = await laboratory.class_losses(made.network, [made.start, *centres], made.samples_key)
    before, *losses = np.where(np.isfinite(found.means), found.means, np.inf)
    whole = losses[0]
    wanted = gain * max(whole, before / 5) * np.maximum(_LEAST_PART, _USUAL * np.array([0, *sizes]) / count)
    # Of a broken mean, infinite, anything that mends it is a gain.
    spare = -np.array(losses) if np.isinf(whole) else whole - np.array(losses) - wanted
    best = int(np.argmax(spare))
    if not (losses[best] < whole and (np.isinf(whole) or spare[best] > 0)):
        best = 0
    slopes = await laboratory.class_gradients(
        made.network, centres[best], made.samples_key, groups=np.zeros(len(found.counts), dtype=np.int64)
    )
    slope = np.nan_to_num(slopes[0, 0].astype(np.float64), posinf=0.0, neginf=0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        uphill = np.array([float(slope @ (model.vector - centres[best].vector)) for model in models])
    others = max(1, int(choices[best].sum()) - 1)
    return Subset(
        kept=frozenset(map(int, np.flatnonzero(choices[best]))),
        loss=float(losses[best]),
        marginal=tuple(map(float, -np.nan_to_num(uphill, nan=np.inf) / others)),
    )


def _mean(start: Weights, models: Sequence[Weights], chosen: npt.NDArray[np.bool_]) -> Weights:
    origin = start.vector.astype(np.float64)
    total = np.zeros_like(origin)
    for model, there in zip(models, chosen, strict=True):
        if there:
            total += model.vector - origin
    return Weights(start.schema, (origin + total / max(1, int(chosen.sum()))).astype(np.float32))
