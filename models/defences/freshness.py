# SPDX-License-Identifier: Apache-2.0
"""Freshness: is an update anything but noise beside what others made, before and in the same round?

Let r be the update without its part in the span of what is public or handed in by others, and G gradients of the
validation loss, projected likewise. Work moves the weights where gradients do; noise does not, whatever its shape: with
the signs of r's coordinates drawn at random,

    F = ‖B ρ‖² / Σⱼ ρⱼ² ‖B·ⱼ‖²

is 1 on average, with a standard deviation that B and ρ tell. Here B is an orthonormal basis of G and ρ any odd function of
r, coordinate by coordinate. Square roots, and gradients scaled to like sizes, keep a few large coordinates (the biases of
the last layer, in a new model all that moves) from deciding alone; for a thousand steps of training as for five, F of honest work is
then many standard deviations above 1. ``docs/adr/0009-three-decisions.md`` has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.models.defences.blocks import Vectors, by_rows, cosines_of_many
from bcfl.models.defences.blocks import lengths as lengths_of
from bcfl.models.defences.history import History
from bcfl.models.defences.many import is_many
from bcfl.models.freed_memory import give_back

__all__ = ("Freshness", "freshness", "significance")

_NOTHING = 1e-4
"""A residual below this share of its update's length is rounding error: nothing in it is new."""
_NEGLIGIBLE = 1e-10
"""Of the largest squared strength: directions of the gradients below it are rounding error."""
_EVEN = 0.1
"""Of the mean square of all gradients, added to that of a coordinate before they are scaled to like sizes."""
_RIDGE = 1e-9
_RIDGE_OF_MANY = 1e-6
"""Above what single precision leaves of inner products."""
_CROWDED = 0.5
"""Share of all dimensions that may be public before nobody can be told from noise any more,"""
_SURELY = 1000.0
"""and everybody counts as this fresh."""

_MADE_OF = 0.5
"""Share of the square of what sets one of many updates apart that others explain, from which it is looked at beside them;"""
_NEIGHBOURS = 32
"""beside those most like it, so many."""
_PLENTY = 2.0
"""Times what is enough, beside gradients that are not projected likewise: then it is surely fresh."""
_LITTLE = 1e-3
"""Ridge of that share: copies among the others make them dependent."""
_TINY = 1e-300
_AT_ONCE = 64
"""Of many, whose rests are held together: in double precision they are twice the updates."""
_COLUMNS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Freshness:
    """Of each update, in the order given.

    Attributes:
        beside: standard deviations of noise that F is above 1, beside the history and everybody else in the round (n,).
        alone: the same beside the history alone.
        ratio: F of the plain coordinates beside the history alone (n,): how little the update has wandered.
        signal: length of the gradient signal in what is new beside the history alone, (n,).
        residuals: what is new beside the history alone, (n, d).
        crowded: so much is public that nothing of this can be told, and everybody passes.
    """

    beside: Vectors
    alone: Vectors
    ratio: Vectors
    signal: Vectors
    residuals: Vectors
    crowded: bool


def freshness(
    updates: Vectors, positions: Sequence[int], gradients: Vectors, history: History, *, least: float
) -> Freshness:
    """Freshness of the updates of one round.

    Whoever has ``least`` beside everybody owns it, however late it was committed. Only those who do not are looked at
    in turn, beside whoever committed before them and those who do: so of an original and its copies the first has it.

    Args:
        updates: (n, d).
        positions: when each was committed.
        gradients: (k, d), of parts of the validation loss, at the start model and where else a trainer may pass.
        history: all that was revealed before.
        least: standard deviations.
    """
    if is_many(len(updates)):
        return _of_many(updates, positions, gradients, history, least=least)
    residuals, signal = history.residual(updates), history.residual(gradients)
    lengths = np.linalg.norm(updates, axis=1)
    basis = _basis(signal)
    strength = np.square(residuals @ basis.T).sum(axis=1)
    expected = np.square(residuals) @ np.square(basis).sum(axis=0)
    crowded = history.rank + len(updates) > _CROWDED * updates.shape[1]
    alone = np.array(
        [_of(rest, length, signal, crowded) for rest, length in zip(residuals, lengths, strict=True)]
    )
    return Freshness(
        beside=_Round(residuals, lengths, signal).in_turn(positions, least, crowded=crowded),
        alone=alone,
        ratio=np.where(expected > 0, strength / np.where(expected > 0, expected, 1), 0.0),
        signal=np.sqrt(strength),
        residuals=residuals,
        crowded=crowded,
    )


def _of_many(
    updates: Vectors, positions: Sequence[int], gradients: Vectors, history: History, *, least: float
) -> Freshness:
    """Beside others only who could be made of them; of nobody, an update has beside the round what it has alone."""
    give_back()  # of what was freed while they trained: here a round takes most
    residuals, signal = history.residual(updates), history.residual(gradients)
    lengths = lengths_of(updates)
    basis = _basis(signal)
    power = np.square(basis).sum(axis=0)
    strength = by_rows(residuals, lambda rows: np.square(rows.astype(np.float64) @ basis.T).sum(axis=1))
    expected = by_rows(residuals, lambda rows: np.square(rows.astype(np.float64)) @ power)
    crowded = history.rank + len(updates) > _CROWDED * updates.shape[1]
    alone = _significances(residuals, lengths, signal, crowded=crowded)
    beside = alone.copy()
    near, inner = _neighbours(residuals)

    def exact(place: int, others: Sequence[int]) -> float:
        if not others:
            return float(alone[place])
        few = residuals[[place, *others]].astype(np.float64)
        found = _Round(few, lengths[[place, *others]], signal)
        return found.fresh(0, range(1, len(few)), crowded=crowded)

    # Nearly everybody of a first round is much like others, and by far most have plenty that is their own.
    places = list(near)
    for first in range(0, len(places), _AT_ONCE):
        some = places[first : first + _AT_ONCE]
        rest = _rest(residuals, inner, {place: near[place] for place in some})
        beside[some] = _significances(rest, lengths[some], signal, crowded=crowded)
    for place, others in near.items():
        if beside[place] < _PLENTY * least:
            beside[place] = exact(place, others)
    owners = {place for place in range(len(updates)) if beside[place] >= least}
    for place in sorted(near.keys() - owners, key=lambda place: positions[place]):
        beside[place] = exact(place, [other for other in near[place] if other in owners])
        owners.add(place)
    return Freshness(
        beside=beside,
        alone=alone,
        ratio=np.where(expected > 0, strength / np.where(expected > 0, expected, 1), 0.0),
        signal=np.sqrt(strength),
        residuals=residuals,
        crowded=crowded,
    )


def _neighbours(residuals: Vectors) -> tuple[dict[int, list[int]], Vectors]:
    """Of whom half or more could be a mixture of others: those that are most like it, at most so many; and all cosines (n, n).

    How much could be is told from inner products alone, of what sets each apart from the mean of the round.
    """
    inner = cosines_of_many(residuals)
    apart = inner - inner.mean(axis=0) - inner.mean(axis=1, keepdims=True) + inner.mean()
    size = np.sqrt(np.maximum(np.diag(apart), 0))
    cosines = apart / np.maximum(np.outer(size, size), _TINY)
    np.fill_diagonal(cosines, 0.0)
    near = np.argsort(-np.abs(cosines), axis=1, kind="stable")[:, :_NEIGHBOURS]
    found = {}
    for place, others in enumerate(near):
        among = cosines[np.ix_(others, others)] + (1 + _LITTLE) * np.eye(len(others))
        share = float(cosines[place, others] @ np.linalg.solve(among, cosines[place, others]))
        if share >= _MADE_OF:
            found[place] = [int(other) for other in others]
    return found, inner


def _rest(residuals: Vectors, inner: Vectors, others: Mapping[int, Sequence[int]]) -> Vectors:
    """What is left of each of these beside those others, (m, d)."""
    sizes = lengths_of(residuals)
    sizes = np.where(sizes > 0, sizes, 1)
    rest = np.empty((len(others), residuals.shape[1]))
    for row, (place, chosen) in enumerate(others.items()):
        rest[row] = residuals[place]
        if chosen:
            # A copy makes the others dependent.
            among = inner[np.ix_(chosen, chosen)] + _RIDGE_OF_MANY * np.eye(len(chosen))
            part = np.linalg.solve(among, inner[place, chosen]) * sizes[place] / sizes[chosen]
            rest[row] -= part @ residuals[chosen].astype(np.float64)
    return rest


def _significances(residuals: Vectors, lengths: Vectors, gradients: Vectors, *, crowded: bool) -> Vectors:
    """``_of`` of each residual (n, d) beside the same gradients (k, d), in parts of the coordinates."""
    if crowded:
        return np.full(len(residuals), _SURELY)
    basis = _whitened(gradients)
    pairs = np.triu_indices(len(basis))
    twice = np.where(pairs[0] == pairs[1], 1.0, 2.0)
    sums = np.zeros((len(residuals), len(basis)))
    covariance = np.zeros((len(residuals), len(pairs[0])))
    for first in range(0, basis.shape[1], _COLUMNS):
        rows = basis[:, first : first + _COLUMNS]
        part = residuals[:, first : first + _COLUMNS].astype(np.float64)
        sums += (np.sign(part) * np.sqrt(np.abs(part))) @ rows.T
        products = rows[pairs[0]]
        products *= rows[pairs[1]]
        covariance += np.abs(part) @ products.T
    expected = covariance[:, pairs[0] == pairs[1]].sum(axis=1)
    spread = np.sqrt(2 * (np.square(covariance) @ twice))
    found = (np.square(sums).sum(axis=1) - expected) / np.where(spread > 0, spread, 1)
    known = (expected > 0) & (lengths_of(residuals) > _NOTHING * lengths)
    return np.where(known, found, 0.0)


class _Round:
    """What is left of one update, and of the gradients, beside any of the others of its round."""

    def __init__(self, residuals: Vectors, lengths: Vectors, signal: Vectors) -> None:
        self._lengths, self._signal = lengths, signal
        self._size = np.linalg.norm(residuals, axis=1)
        self._units = residuals / np.where(self._size > 0, self._size, 1)[:, None]
        # Through the Gram matrix, which is made once: n updates are few beside d coordinates.
        self._gram = self._units @ self._units.T
        self._cross = signal @ self._units.T

    def fresh(self, place: int, others: Sequence[int], *, crowded: bool) -> float:
        chosen = list(others)
        # A copy makes the others dependent.
        inverse = np.linalg.inv(self._gram[np.ix_(chosen, chosen)] + _RIDGE * np.eye(len(chosen)))
        rows = self._units[chosen]
        own = self._units[place] - (self._gram[place, chosen] @ inverse) @ rows
        signal = self._signal - (self._cross[:, chosen] @ inverse) @ rows
        return _of(self._size[place] * own, float(self._lengths[place]), signal, crowded)

    def in_turn(self, positions: Sequence[int], least: float, *, crowded: bool) -> Vectors:
        everybody = range(len(self._units))
        found = np.array(
            [self.fresh(place, [o for o in everybody if o != place], crowded=crowded) for place in everybody]
        )
        owners = [place for place in everybody if found[place] >= least]
        for place in sorted(set(everybody) - set(owners), key=lambda place: positions[place]):
            found[place] = self.fresh(place, owners, crowded=crowded)
            owners.append(place)
        return found


def _of(residual: Vectors, length: float, signal: Vectors, crowded: bool) -> float:
    if crowded:
        return _SURELY  # where nearly every direction is public, honest work has hardly one of its own left to show
    return significance(residual, signal) if np.linalg.norm(residual) > _NOTHING * length else 0.0


def significance(residual: Vectors, gradients: Vectors) -> float:
    """By how many standard deviations of noise the residual (d,) moves where the gradients (k, d) do."""
    basis = _whitened(gradients)
    terms = basis * (np.sign(residual) * np.sqrt(np.abs(residual)))
    covariance = terms @ terms.T
    expected = float(np.trace(covariance))
    if expected <= 0:
        return 0.0
    found = float(np.square(terms.sum(axis=1)).sum())
    return (found - expected) / float(np.sqrt(2 * np.square(covariance).sum()))


def _whitened(gradients: Vectors) -> Vectors:
    power = np.square(gradients).mean(axis=0)
    return _basis(gradients / np.sqrt(power + _EVEN * power.mean() + np.finfo(float).tiny))


def _basis(gradients: Vectors) -> Vectors:
    """Orthonormal rows that span them."""
    # By the small Gram matrix: a singular value decomposition of (k, d) takes ten times as long.
    strength, rotation = np.linalg.eigh(gradients @ gradients.T)
    kept = strength > _NEGLIGIBLE * max(float(strength[-1]), 1e-300)
    basis: Vectors = (rotation[:, kept] / np.sqrt(strength[kept])).T @ gradients
    return basis
