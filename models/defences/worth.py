# SPDX-License-Identifier: Apache-2.0
"""What an update is worth to the round, and how sure that is on so few validation samples.

φᵢ = ½[v({i}) + v(N) − v(N∖i)], the Shapley value of the quadratic fit, is a mean over the samples of what the update
takes off each one's loss. Its standard error follows from the same samples, so that harm is told from the noise of the
round, however much or little anybody learnt in it: paired differences, as in a t-test, not two noisy means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.models.defences.defence import DefenceRound
from bcfl.models.defences.history import Vectors
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.weights import Weights

__all__ = ("Worth", "worth_of")

_CEILING = 50.0
"""Nats: a loss on one sample that is larger, or no number, counts as this, so that one broken update hides no other."""
_NOTHING = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth:
    """Of n updates.

    Attributes:
        values: φ, (n,), nats.
        errors: standard errors of these, (n,).
        gain: by what share everybody together lowers the loss, at least 0.
    """

    values: Vectors
    errors: Vectors
    gain: float

    @property
    def certainty(self) -> Vectors:
        """The values in standard errors, (n,): below −2 it is no chance that the update does harm."""
        found: Vectors = self.values / np.maximum(self.errors, _NOTHING)
        return found


async def worth_of(
    made: DefenceRound, models: Sequence[Weights], weights: Sequence[int], laboratory: ScoringEngine
) -> Worth:
    """Evaluate everybody, each alone and everybody but one: 2n + 2 models.

    Args:
        made: the round.
        models: the updates as they enter the game, n.
        weights: of each in the game, at least 0; the same for all where they sum to nothing.
        laboratory: evaluates.
    """
    start = made.start.vector.astype(np.float64)
    parts = np.array(weights, dtype=float) if sum(weights) else np.ones(len(models))
    parts /= max(parts.sum(), _NOTHING)
    steps = [part * (model.vector - start) for part, model in zip(parts, models, strict=True)]
    together = np.sum(steps, axis=0) if steps else np.zeros_like(start)
    found = await laboratory.class_losses(
        made.network,
        [
            Weights(made.start.schema, (start + step).astype(np.float32))
            for step in (np.zeros_like(start), together, *steps, *(together - step for step in steps))
        ],
        made.samples_key,
        by_sample=True,
    )
    losses = np.minimum(np.nan_to_num(found.by_sample.astype(np.float64), nan=_CEILING), _CEILING)
    count = len(models)
    before, after, alone, without = losses[0], losses[1], losses[2 : 2 + count], losses[2 + count :]
    each = (before - alone + without - after) / 2
    return Worth(
        values=each.mean(axis=1),
        errors=each.std(axis=1) / np.sqrt(each.shape[1]),
        gain=float(np.clip(1 - after.mean() / max(before.mean(), _NOTHING), 0, 1)),
    )
