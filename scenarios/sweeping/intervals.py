# SPDX-License-Identifier: Apache-2.0
"""Estimates over the cells of a sweep, with 95 % intervals clustered by seed.

Cells of one seed share data, keys and initial weights: they are not independent draws, so the bootstrap draws whole
seeds (Efron & Tibshirani 1993, chapter 8; 2,000 draws, a fixed seed of its own, so that a report repeats).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ("Estimate", "Observation", "quantile", "ratio")

_DRAWS = 2_000
_SEED = 20_260_101
_TAILS = (0.025, 0.975)

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Something counted or measured under one seed; of a rate ``value`` is the numerator and ``of`` the denominator."""

    seed: int
    value: float
    of: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A statistic with its interval; infinite where a quantile falls on what never happened."""

    value: float
    low: float
    high: float


def ratio(observations: Sequence[Observation]) -> Estimate | None:
    """Σ value / Σ of: the mean where every ``of`` is 1, else the pooled rate; None where nothing was counted."""
    place, seeds = _clusters(observations)
    values, wholes = (
        np.bincount(place, weights=[getattr(one, name) for one in observations], minlength=seeds)
        for name in ("value", "of")
    )
    if not observations or not wholes.sum():
        return None
    draws = _draws(seeds)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (draws @ values) / (draws @ wholes)
    return _estimate(float(values.sum() / wholes.sum()), drawn[np.isfinite(drawn)])


def quantile(observations: Sequence[Observation], share: float) -> Estimate | None:
    """The least value that at least ``share`` of the observations do not exceed; 0 gives the least of all."""
    if not observations:
        return None
    values = np.array([one.value for one in observations])
    place, seeds = _clusters(observations)
    order = np.argsort(values, kind="stable")
    values, place = values[order], place[order]

    def pick(weights: _Floats) -> _Floats:
        reached = np.cumsum(weights, axis=-1)
        wanted = np.maximum(share * reached[..., -1:], 1e-9) - 1e-9
        picked: _Floats = values[(reached > wanted).argmax(axis=-1)]
        return picked

    return _estimate(float(pick(np.ones(len(values)))), pick(_draws(seeds)[:, place]))


def _clusters(observations: Sequence[Observation]) -> tuple[npt.NDArray[np.intp], int]:
    known = sorted({one.seed for one in observations})
    position = {seed: place for place, seed in enumerate(known)}
    return np.array([position[one.seed] for one in observations], dtype=np.intp), len(known)


def _draws(seeds: int) -> _Floats:
    """How often each seed is in each draw."""
    generator = np.random.default_rng(_SEED)
    counts: _Floats = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=_DRAWS).astype(float)
    return counts


def _estimate(value: float, drawn: _Floats) -> Estimate:
    # nearest ranks: between a number and infinity nothing can be interpolated
    low, high = np.quantile(drawn, _TAILS, method="inverted_cdf") if len(drawn) else (value, value)
    return Estimate(value=value, low=float(low), high=float(high))
