# SPDX-License-Identifier: Apache-2.0
"""The public history of updates as a subspace: what anybody could have made without working.

An update is public once it was revealed, and so is every linear combination of public updates; so is the global model,
whose steps a rule that is not linear (a trimmed mean) takes out of that span. The history keeps an orthonormal basis of
all of it. A long task would fill the memory: beyond ``most`` updates the older half is folded
into a sketch of at most as many rows (Frequent Directions, Liberty 2013, arXiv 1206.0594), so that memory stays
bounded; what that costs in power is in ``docs/defences.md``.
The digests of all updates are kept for ever, 32 bytes each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bcfl.models.defences.blocks import Columns, Vectors, column_blocks, gram_of, lengths
from bcfl.models.defences.many import is_many

__all__ = ("History", "orthonormal")

Rows = npt.NDArray[np.float32]

_FEWER = 4
"""Of ``most``: directions that are kept of rounds of many."""
_INDEPENDENT = 1e-6
"""A vector whose residual is below this share of its length adds no direction."""
_INDEPENDENT_OF_MANY = 1e-5
"""The same where squares are compared, of which half of the digits are lost."""


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Everything revealed before a round; immutable.

    Attributes:
        blocks: orthogonal rows (k, d), float32; all rows together are orthogonal, none is nothing.
        recent: the newest updates at unit length, oldest first.
        sketch: what older ones came to, rows with their strengths.
        digests: of every model that was public, canonical.
        model: the global model of the newest round, (d,).
        most: vectors kept of each kind at most.
    """

    blocks: tuple[Rows, ...] = ()
    recent: tuple[Rows, ...] = ()
    sketch: Rows | None = None
    digests: frozenset[bytes] = frozenset()
    model: npt.NDArray[np.float32] | None = None
    most: int = 1024

    @property
    def rank(self) -> int:
        """Dimensions of what is public."""
        return sum(map(len, self.blocks))

    def residual(self, vectors: Vectors) -> Vectors:
        """The rows of ``vectors`` (n, d) without their part in the history, in their precision; summed in float64."""
        rest = vectors.copy()
        width = vectors.shape[1]
        for block in self.blocks:
            parts = np.zeros((len(rest), len(block)))
            squares = np.zeros(len(block))
            for columns in column_blocks(width):
                basis = block[:, columns].astype(np.float64)
                parts += rest[:, columns].astype(np.float64) @ basis.T
                squares += np.square(basis).sum(axis=1)
            parts /= squares
            for columns in column_blocks(width):
                rest[:, columns] -= parts @ block[:, columns].astype(np.float64)
        return rest

    def moved(self, model: npt.NDArray[np.float32]) -> History:
        """At the start of a round: with the step to its global model (d,), which everybody knows."""
        grown = self
        if self.model is not None:
            grown = self.extended(model.astype(np.float64)[None] - self.model)
        return dataclasses.replace(grown, model=model)

    def extended(self, updates: Vectors, digests: Collection[bytes] = ()) -> History:
        """With these updates (n, d) and digests added; of so many that they are most of it, only what the sketch holds."""
        if len(updates) * _FEWER > self.most:
            return dataclasses.replace(_sketched(self, updates), digests=self.digests.union(digests))
        sizes = np.linalg.norm(updates, axis=1, keepdims=True)
        rows = (updates / np.where(sizes > 0, sizes, 1)).astype(np.float32)
        grown = dataclasses.replace(
            self,
            blocks=(*self.blocks, orthonormal(self.residual(updates), updates).astype(np.float32)),
            recent=(*self.recent, rows),
            digests=self.digests.union(digests),
        )
        return grown if sum(map(len, grown.recent)) <= self.most else _condensed(grown)


def _sketched(history: History, updates: Vectors) -> History:
    """All that is known and these updates as so few directions that they cost a round of a thousand no more than its evaluation."""
    most = max(1, history.most // _FEWER)
    known = [*([] if history.sketch is None else [history.sketch]), *history.recent]
    sizes = lengths(updates)[:, None]
    sizes = np.where(sizes > 0, sizes, 1)

    def rows(columns: slice) -> npt.NDArray[np.float64]:
        return np.concatenate([*(old[:, columns] for old in known), updates[:, columns] / sizes]).astype(
            np.float64, copy=False
        )

    strength, turned = _principal_of_many(rows, updates.shape[1], most=most)
    sketch = _frequent(strength, turned, most)
    # Rows of rounding error would be public directions like any other. The others are orthogonal already: a view, since
    # the memory of several rounds is at hand.
    sound = int((strength[: len(sketch)] > _INDEPENDENT_OF_MANY * strength[0]).sum())
    return dataclasses.replace(history, blocks=(sketch[:sound],), recent=(), sketch=sketch)


def _frequent(strength: Vectors, rows: Vectors, most: int) -> Rows:
    """Frequent Directions: all strengths shrink by that of the first direction that is dropped."""
    floor = strength[most] if len(strength) > most else 0.0
    shrunk = np.sqrt(np.maximum(np.square(strength[:most]) - floor**2, 0))
    found: Rows = rows[:most][shrunk > 0].astype(np.float32)
    found *= shrunk[shrunk > 0, None].astype(np.float32)
    return found


def orthonormal(residuals: Vectors, originals: Vectors) -> Vectors:
    """Rows that span the residuals, without those that are rounding error of their original."""
    kept = residuals[np.linalg.norm(residuals, axis=1) > _INDEPENDENT * np.linalg.norm(originals, axis=1)]
    if not len(kept):
        return np.zeros((0, residuals.shape[1]))
    # Unit length first: a late update is as public as an early one ten times its size.
    kept = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    strength, rows = _principal(kept)
    basis: Vectors = rows[strength > (_INDEPENDENT if not is_many(len(kept)) else _INDEPENDENT_OF_MANY)]
    return basis


def _principal(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """Singular values of (n, d), falling, and the right singular vectors as rows."""
    if not is_many(len(vectors)):
        _, strength, rows = np.linalg.svd(vectors, full_matrices=False)
        return strength, rows
    return _principal_of_many(
        lambda columns: vectors[:, columns].astype(np.float64), vectors.shape[1], most=len(vectors)
    )


def _principal_of_many(rows: Columns, width: int, *, most: int) -> tuple[Vectors, Rows]:
    """The same of rows of ``width`` columns by their Gram matrix, ten times as soon; ``most``: right singular vectors at most."""
    squares, rotation = np.linalg.eigh(gram_of(rows, width))
    strength = np.sqrt(np.maximum(squares[::-1], 0))
    towards = (rotation[:, ::-1].T / np.where(strength > 0, strength, 1)[:, None])[:most]
    turned = np.empty((len(towards), width), dtype=np.float32)
    for columns in column_blocks(width):
        turned[:, columns] = towards @ rows(columns)
    return strength, turned


def _condensed(history: History) -> History:
    """The older half of the recent updates goes into the sketch."""
    recent = np.concatenate(history.recent)
    older, newer = recent[: -(history.most // 2)], recent[-(history.most // 2) :]
    whole = older if history.sketch is None else np.concatenate([history.sketch, older])
    strength, rows = _principal(whole.astype(np.float64))
    sketch = _frequent(strength, rows, history.most)
    base = orthonormal(sketch.astype(np.float64), sketch.astype(np.float64))
    rest = newer - (newer.astype(np.float64) @ base.T) @ base
    blocks = (base.astype(np.float32), orthonormal(rest, newer.astype(np.float64)).astype(np.float32))
    return dataclasses.replace(history, blocks=blocks, recent=(newer,), sketch=sketch)
