# SPDX-License-Identifier: Apache-2.0
"""First-order scores: how far a member's step goes down the validation loss, by its gradient alone.

One gradient serves a thousand members, and each costs an inner product. Nothing bounds what a longer step is
credited with, so an update scaled up is overpaid: clip norms before, or use an evaluated score where updates may
be hostile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.class_groups import class_groups, grouped
from bcfl.models.scoring.game import LOSS_CEILING, ScoringEngine, ScoringRound
from bcfl.models.weights import Weights
from bcfl.registry import register

__all__ = ("FirstOrder",)

_Vector = npt.NDArray[np.float64]


@register("score", "first_order", source="Wang et al. 2022 (DIG-FL), doi 10.1109/icde53745.2022.00073")
@dataclass(frozen=True, kw_only=True)
class FirstOrder:
    """−pᵢ⟨∇L, Δᵢ⟩: the first-order value of the member's weighted step, from one or two gradients a round.

    ``at`` says where the gradient is taken: at the ``start`` of the round it is the value of the member alone; at the
    ``aggregate``, w + Σ pᵢΔᵢ, what would be lost without the member. The mean of ``both`` is the Shapley value wherever
    the loss is quadratic.
    """

    at: Literal["start", "aggregate", "both"] = "start"

    async def scores(self, scoring: ScoringRound, engine: ScoringEngine) -> tuple[float, ...]:
        """Takes one evaluation of the samples and one gradient for each place; in units of loss."""
        if not scoring.updates:
            return ()
        places = [scoring.start] if self.at != "aggregate" else []
        if self.at != "start":
            places.append(_aggregate(scoring))
        evaluation = await engine.class_losses(scoring.network, [scoring.start], scoring.samples_key)
        groups = class_groups(evaluation.counts, 1)
        counts = grouped(evaluation, groups).counts
        gradient = np.zeros(scoring.start.vector.shape)
        for place in places:
            by_class = await engine.class_gradients(
                scoring.network, place, scoring.samples_key, groups=groups
            )
            gradient += _mean(by_class.sum(axis=1), counts) / len(places)
        return tuple(_descent(gradient, step) for step in _steps(scoring))


def _steps(scoring: ScoringRound) -> Iterator[_Vector]:
    """pᵢΔᵢ of each member, one at a time: a thousand at once would take gigabytes."""
    start = scoring.start.vector.astype(np.float64)
    for weight, update in zip(scoring.weights, scoring.updates, strict=True):
        yield weight * (update.vector - start)


def _aggregate(scoring: ScoringRound) -> Weights:
    shifted = scoring.start.vector.astype(np.float64)
    # A hostile update may overflow float32 here; there is no gradient then.
    with np.errstate(over="ignore", invalid="ignore"):
        for step in _steps(scoring):
            shifted += step
        return Weights(scoring.start.schema, shifted.astype(np.float32))


def _mean(by_class: npt.NDArray[np.float32], counts: npt.NDArray[np.int64]) -> _Vector:
    """The gradient of the mean loss, (d,); nothing where the model is broken, so that scores stay numbers."""
    gradient: _Vector = counts / counts.sum() @ by_class.astype(np.float64)
    return gradient if np.isfinite(gradient).all() else np.zeros_like(gradient)


def _descent(gradient: _Vector, step: _Vector) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        descent = -float(gradient @ step)
    return max(-LOSS_CEILING, min(LOSS_CEILING, descent)) if np.isfinite(descent) else -LOSS_CEILING
