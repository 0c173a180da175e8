# SPDX-License-Identifier: Apache-2.0
"""What an update is worth to the round, and how sure that is on so few validation samples.

φᵢ = ½[v({i}) + v(N) − v(N∖i)], the Shapley value of the quadratic fit, is a mean over the samples of what the update
takes off each one's loss. Its standard error follows from the same samples, so that harm is told from the noise of the
round, however much or little anybody learnt in it: paired differences, as in a t-test, not two noisy means.

Of many updates each moves the round's model by so little that the gradients at its two ends say what it is worth:
φᵢ ≈ −½⟨∇L(w) + ∇L(w + Σ Δ), Δᵢ⟩ (Wang et al. 2022, doi 10.1109/icde53745.2022.00073, at both ends).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bcfl.models.defences.blocks import Vectors
from bcfl.models.defences.defence import DefenceRound
from bcfl.models.defences.many import is_many
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.weights import Weights

__all__ = ("Worth", "worth_of")

_CEILING = 50.0
"""Nats: a loss on one sample that is larger, or no number, counts as this, so that one broken update hides no other."""
_NOTHING = 1e-12
_BLOCKS = 64
"""Parts of the validation samples, of which each has a gradient: the noise of a value is told from how they differ."""
_DOUBTFUL = 32
"""Of many, those with the least certainty are evaluated."""
_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth:
    """Of n updates.

    Attributes:
        values: φ, (n,), nats.
        errors: standard errors of these, (n,).
        gain: by what share everybody together lowers the loss, at least 0.
        losses: mean losses of the coalitions that were evaluated, by bit mask over the updates, nats; of many none.
    """

    values: Vectors
    errors: Vectors
    gain: float
    losses: Mapping[int, float] = field(default_factory=dict)

    @property
    def certainty(self) -> Vectors:
        """The values in standard errors, (n,): below −2 it is no chance that the update does harm."""
        found: Vectors = self.values / np.maximum(self.errors, _NOTHING)
        return found


async def worth_of(
    made: DefenceRound, models: Sequence[Weights], weights: Sequence[int], laboratory: ScoringEngine
) -> Worth:
    """Evaluate everybody, each alone and everybody but one: 2n + 2 models; of many, only of those in doubt.

    Args:
        made: the round.
        models: the updates as they enter the game, n.
        weights: of each in the game, at least 0; the same for all where they sum to nothing.
        laboratory: evaluates.
    """
    game = _Game.of(made, models, weights)
    if not is_many(len(models)):
        return await _evaluated(game, range(len(models)), laboratory)
    return await _estimated(game, laboratory)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Game:
    """What each update adds to the start model, pᵢΔᵢ, and what all add together."""

    made: DefenceRound
    models: Sequence[Weights]
    parts: Vectors
    start: Vectors
    together: Vectors

    @classmethod
    def of(cls, made: DefenceRound, models: Sequence[Weights], weights: Sequence[int]) -> _Game:
        start = made.start.vector.astype(np.float64)
        parts = np.array(weights, dtype=float) if sum(weights) else np.ones(len(models))
        parts /= max(parts.sum(), _NOTHING)
        together = np.zeros_like(start)
        for part, model in zip(parts, models, strict=True):
            together += part * (model.vector - start)
        return cls(made=made, models=models, parts=parts, start=start, together=together)

    def step(self, place: int) -> Vectors:
        step: Vectors = self.parts[place] * (self.models[place].vector - self.start)
        return step

    def model(self, step: Vectors) -> Weights:
        return Weights(self.made.start.schema, (self.start + step).astype(np.float32))


async def _evaluated(game: _Game, places: Sequence[int], laboratory: ScoringEngine) -> Worth:
    """Of the updates at these places."""
    steps = [game.step(place) for place in places]
    everybody = 0 < len(steps) == len(game.models)
    others = _of_others(steps) if everybody else [game.together - step for step in steps]
    shifts = (np.zeros_like(game.start), game.together, *steps, *others)
    found = await laboratory.class_losses(
        game.made.network, [game.model(shift) for shift in shifts], game.made.samples_key, by_sample=True
    )
    exact = found.by_sample.astype(np.float64)
    losses = np.minimum(np.nan_to_num(exact, nan=_CEILING), _CEILING)
    count = len(steps)
    before, after, alone, without = losses[0], losses[1], losses[2 : 2 + count], losses[2 + count :]
    each = (before - alone + without - after) / 2
    return Worth(
        values=each.mean(axis=1),
        errors=each.std(axis=1) / np.sqrt(each.shape[1]),
        gain=float(np.clip(1 - after.mean() / max(before.mean(), _NOTHING), 0, 1)),
        losses=_of_coalitions(exact) if everybody else {},
    )


def _of_others(steps: Sequence[Vectors]) -> list[Vectors]:
    """The sum of all but each; taken from the sum of all, one broken step would be in that of the others too."""
    before = list(itertools.accumulate(steps[:-1], initial=np.zeros_like(steps[0])))
    after = list(itertools.accumulate(reversed(steps[1:]), initial=np.zeros_like(steps[0])))
    return [one + other for one, other in zip(before, reversed(after), strict=True)]


def _of_coalitions(by_sample: Vectors) -> dict[int, float]:
    """Of nobody, everybody, each alone and everybody but one, in that order, (2n + 2, samples)."""
    everybody = (1 << (len(by_sample) - 2) // 2) - 1
    alone = [1 << place for place in range(everybody.bit_length())]
    coalitions = [0, everybody, *alone, *(everybody ^ one for one in alone)]
    # fsum rounds once: the same on every processor
    return {
        coalition: math.fsum(row) / len(row) if np.isfinite(row).all() else math.inf
        for coalition, row in zip(coalitions, by_sample, strict=True)
    }


async def _estimated(game: _Game, laboratory: ScoringEngine) -> Worth:
    """Of all, by the gradients of blocks of samples; the doubtful are evaluated."""
    made = game.made
    counts = (await laboratory.class_losses(made.network, [made.start], made.samples_key)).counts
    blocks = max(2, min(_BLOCKS, int(counts.sum()) // 2))
    slopes = np.zeros((blocks, len(game.start)))
    for end in (game.model(np.zeros_like(game.start)), game.model(game.together)):
        found = await laboratory.class_gradients(
            made.network, end, made.samples_key, groups=np.zeros(len(counts), dtype=np.int64), parts=blocks
        )
        slopes += np.nan_to_num(found[0], posinf=0.0, neginf=0.0) / 2
    # each is a part of the mean over all samples, so that so many times it is the mean over its own
    places = np.arange(len(game.models))
    # several steps at a time: for one alone all slopes would go through the processor's cache
    some = np.array_split(places, math.ceil(len(places) / _AT_ONCE))
    each = -blocks * np.concatenate([np.stack([*map(game.step, part)]) @ slopes.T for part in some])
    each = np.nan_to_num(each, nan=-_CEILING, posinf=_CEILING, neginf=-_CEILING)
    values, errors = each.mean(axis=1), each.std(axis=1) / np.sqrt(blocks)
    doubtful = [
        int(place) for place in np.argsort(values / np.maximum(errors, _NOTHING), kind="stable")[:_DOUBTFUL]
    ]
    exact = await _evaluated(game, doubtful, laboratory)
    values[doubtful], errors[doubtful] = exact.values, exact.errors
    return Worth(values=values, errors=errors, gain=exact.gain)
