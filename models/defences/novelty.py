# SPDX-License-Identifier: Apache-2.0
"""Novelty: whose update is somebody else's, by its numbers, by its direction or by what it computes.

An earlier commitment owns. Copies with other bytes have the same canonical tensor digest; noisy or rescaled copies
deviate from the round in the same direction as the original; copies with permuted hidden units, which no comparison
of weights sees, do so in their outputs on a batch of validation samples.

Honest updates can be as good as parallel, where the task is easy and everybody has the like of everybody's data. So what
counts is not the cosine of two updates but of what sets them apart from the rest of the round.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bcfl.models.defences.blocks import Vectors, cosines_of_many
from bcfl.models.defences.many import is_many

__all__ = ("EQUAL", "copies_by_digest", "copies_by_direction", "copies_by_outputs", "deviation_cosines")

Member = TypeVar("Member", bound=Hashable)

_FEW = 4
_IDENTICAL = 0.99999
"""With fewer than ``_FEW`` members there is no rest of the round: only what is as good as equal is then a copy."""
EQUAL = 0.02
"""Outputs this near, relative to how far they moved, are those of one model."""
_NEARER = 0.5
"""Of the distance that is usual between neighbours in the round: a copy lies nearer to its original."""


def copies_by_digest(
    digests: Mapping[Member, bytes], positions: Mapping[Member, int], known: frozenset[bytes]
) -> frozenset[Member]:
    """Members whose model was public before, or was committed earlier this round.

    Args:
        digests: canonical tensor digest of each member's model.
        positions: when each was committed.
        known: what was public before.
    """
    copied = {index for index, digest in digests.items() if digest in known}
    first: dict[bytes, Member] = {}
    for index in sorted(digests, key=lambda index: positions[index]):
        if digests[index] in first:
            copied.add(index)
        first.setdefault(digests[index], index)
    return frozenset(copied)


def copies_by_direction(changes: Vectors, positions: Sequence[int], *, cosine: float) -> frozenset[int]:
    """Places of those that deviate from the round in the direction of an earlier commitment.

    Args:
        changes: of the weights, (n, d).
        positions: when each was committed.
        cosine: of two deviations, from which the later one is a copy.
    """
    near = deviation_cosines(changes) >= (cosine if len(changes) >= _FEW else _IDENTICAL)
    return _later(near, positions)


def copies_by_outputs(
    changes: Vectors, positions: Sequence[int], *, cosine: float, distance: float
) -> frozenset[int]:
    """Places of those whose outputs moved as an earlier commitment's did: nearly as far, and apart from the round alike.

    All honest outputs may be near to each other: a text's models learn at first how frequent each character is, and beside
    saboteurs they also deviate from the round alike. A copy is nearer than neighbours are, unless hardly anybody is apart.

    Args:
        changes: of the outputs on the same samples, (n, probe · classes).
        positions: when each was committed.
        cosine: of two deviations; outputs have few dimensions, so that it must be nearly 1.
        distance: between two changes at most, as a share of the shorter.
    """
    moved = np.linalg.norm(changes, axis=1)
    gram = changes @ changes.T
    apart = np.sqrt(np.maximum(np.diag(gram)[:, None] + np.diag(gram)[None, :] - 2 * gram, 0))
    shorter = np.minimum(moved[:, None], moved[None, :])
    equal = (apart <= EQUAL * shorter) & (moved[:, None] > 0)
    near = (apart <= distance * shorter) & (moved[:, None] > 0)
    near &= deviation_cosines(changes) >= (cosine if len(changes) >= _FEW else _IDENTICAL)
    near &= equal | (apart <= _NEARER * _usual(apart, _later(equal, positions)))
    return _later(near, positions)


def _usual(apart: Vectors, copies: frozenset[int]) -> float:
    """Median distance to the nearest, among those that compute something of their own; without limit where there are few."""
    own = [place for place in range(len(apart)) if place not in copies]
    if len(own) < _FEW:
        return math.inf
    among = apart[np.ix_(own, own)] + np.diag(np.full(len(own), np.inf))
    return float(np.median(among.min(axis=1)))


def _later(near: npt.NDArray[np.bool_], positions: Sequence[int]) -> frozenset[int]:
    order = np.asarray(positions)
    earlier = order[None, :] < order[:, None]
    return frozenset(int(place) for place in np.flatnonzero((near & earlier).any(axis=1)))


def deviation_cosines(changes: Vectors) -> Vectors:
    """Cosines (n, n) between what sets two changes apart from the mean of all others.

    Every change counts with its direction alone, so that a huge one does not become everybody's deviation. With fewer
    than four there are no others to speak of, and the cosines are those of the changes themselves.
    """
    gram = _cosines(changes)
    own = np.diag(gram)
    count = len(changes)
    if count < _FEW:
        return gram
    with_all, everything = gram.sum(axis=1), gram.sum()
    others = count - 2
    # c is the mean of all but the pair; everything follows from inner products.
    square = (
        everything - 2 * (with_all[:, None] + with_all[None, :]) + own[:, None] + own[None, :] + 2 * gram
    ) / others**2
    towards = (with_all[:, None] - own[:, None] - gram) / others
    inner = gram - towards - towards.T + square
    length = np.sqrt(np.maximum(own[:, None] - 2 * towards + square, 0))
    scale = length * length.T
    cosines: Vectors = np.where(scale > 1e-12, inner / np.maximum(scale, 1e-12), 0.0)
    # An empty change deviates by what the others did; that makes it nobody's copy.
    silent = own == 0
    cosines[silent] = cosines[:, silent] = 0.0
    return cosines


def _cosines(changes: Vectors) -> Vectors:
    if is_many(len(changes)):  # units of them would be a copy of all
        return cosines_of_many(changes)
    sizes = np.linalg.norm(changes, axis=1, keepdims=True)
    units = changes / np.where(sizes > 0, sizes, 1)
    found: Vectors = units @ units.T
    return found
