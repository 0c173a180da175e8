# SPDX-License-Identifier: Apache-2.0
"""Evidence of harm: what can be measured about an update, and what it weighs together.

The weighted sum is a log-likelihood ratio in spirit: positive speaks for harm, negative for honest work, so that its
running sum (CUSUM, Page 1954) forgives an honest member a bad round. Half of the numbers compare an update with
the median of its round, because what is usual changes as the model learns. The weights are a ridge logistic
regression on runs with known adversaries (``benchmarks/fit_defence.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.models.defences.blocks import Vectors, by_rows, row_blocks, sum_of_rows
from bcfl.models.defences.blocks import lengths as lengths_of
from bcfl.models.defences.many import is_many

__all__ = ("FEATURES", "EvidenceWeights", "Features", "features", "regressors")

FEATURES = ("spread", "alignment", "improvement", "agreement", "marginal", "length", "certainty")


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Of n updates, each (n,), scaled so that 1 is a usual size.

    Attributes:
        spread: (max U + min U)/0.1, with Uₖ the cosine to the descent direction of class k's loss.
        alignment: mean U/0.02.
        improvement: maxₖ(1 − Lₖ(w+Δ)/Lₖ(w)): by what share the best-served class improves.
        agreement: cos(r, Σ r of the others kept)/0.1, r being what is new in the update.
        marginal: by what share of 0.05 L the loss falls with the update, beside those kept.
        length: Euclidean, relative to the round's median.
        certainty: what the update is worth to the round, in standard errors (``worth``); harm is below 0.
    """

    spread: Vectors
    alignment: Vectors
    improvement: Vectors
    agreement: Vectors
    marginal: Vectors
    length: Vectors
    certainty: Vectors

    def row(self, place: int) -> dict[str, float]:
        """One update's numbers by name."""
        return {name: float(getattr(self, name)[place]) for name in FEATURES}


@dataclass(frozen=True, kw_only=True)
class EvidenceWeights:
    """What each regressor weighs in the evidence, whose sum is clipped to ``least`` … ``most``; see ``regressors``.

    Evidence of harm counts as far as it stands out of the noise of its round. That is so where the update lowers what the
    round is worth beyond chance: from ``doubt`` standard errors below 0, fully at ``sure``. Or where the round learns
    much, so that what is usual is well known: in proportion to the share of the loss that everybody together takes off,
    fully from ``steep`` on, and to the median improvement, fully from ``usual`` on. What does not count forgives: ``drift`` is
    the CUSUM's allowance, so that one bad round is not held against an honest member for long. Nor can a short update, of a
    member with few samples, do much harm: below ``_SHORT`` times the median, it counts in proportion to its length.
    """

    bias: float = -0.3
    spread: float = -0.26
    alignment: float = 0.05
    alignment_beside: float = -0.21
    improvement: float = -2.07
    improvement_beside: float = -3.36
    agreement: float = -0.98
    agreement_beside: float = -2.13
    marginal: float = -0.78
    excess: float = 5.32
    least: float = -3.0
    most: float = 3.5
    usual: float = 0.5
    doubt: float = 1.5
    sure: float = 4.0
    steep: float = 0.1
    drift: float = 0.75

    def evidence(self, found: Features, *, gain: float) -> Vectors:
        """(n,), positive for harm.

        Args:
            found: the numbers of the round.
            gain: by what share everybody together lowers the loss.
        """
        if not len(found.length):
            return np.zeros(0)
        weights = np.array([getattr(self, name) for name in REGRESSORS])
        total = np.clip(self.bias + regressors(found) @ weights, self.least, self.most)
        learning = np.median(np.clip(found.improvement, 0, 1)) / self.usual if self.usual else 1.0
        proven = np.clip((-found.certainty - self.doubt) / (self.sure - self.doubt), 0, 1)
        told = np.clip(np.maximum(learning, -found.marginal), 0, 1) * min(1.0, gain / self.steep)
        counted = np.maximum(proven, told) * np.minimum(found.length / _SHORT, 1)
        evidence: Vectors = np.where(total > 0, total * counted - self.drift * (1 - counted), total)
        return evidence


_SHORT = 0.3
_LONG = 1.75
"""Times the median: 99 of 100 honest updates are shorter."""
_NO_WEIGHTS = {"bias", "least", "most", "usual", "doubt", "sure", "steep", "drift"}
REGRESSORS = tuple(
    field.name for field in dataclasses.fields(EvidenceWeights) if field.name not in _NO_WEIGHTS
)


def regressors(found: Features) -> Vectors:
    """What the weights multiply, (n, 9): each number clipped, and beside the median of its round where that says more."""
    if not len(found.length):
        return np.zeros((0, len(REGRESSORS)))
    usual = {name: float(np.median(getattr(found, name))) for name in FEATURES}
    columns = {
        "spread": np.clip(found.spread, -3, 3),
        "alignment": np.clip(found.alignment, -3, 3),
        "alignment_beside": np.clip(
            (found.alignment - usual["alignment"]) / (0.3 + abs(usual["alignment"])), -2, 1
        ),
        "improvement": np.clip(found.improvement, -1, 1),
        "improvement_beside": np.clip(found.improvement - usual["improvement"], -1, 0.5),
        "agreement": np.clip(found.agreement / 3, -1, 1),
        "agreement_beside": np.clip((found.agreement - usual["agreement"]) / 3, -2, 1),
        "marginal": np.clip(np.sign(found.marginal) * np.log1p(np.abs(found.marginal)), -3, 1.5),
        "excess": np.clip(np.log(np.maximum(found.length, 1e-9) / _LONG), 0, 2),
    }
    return np.stack([columns[name] for name in REGRESSORS], axis=1)


def features(
    *,
    updates: Vectors,
    residuals: Vectors,
    places: Sequence[int],
    gradients: Vectors,
    start_losses: Vectors,
    losses: Vectors,
    kept: frozenset[int],
    marginal: Vectors,
    loss: float,
    certainty: Vectors,
) -> Features:
    """The numbers of one round.

    Args:
        updates: (m, d).
        residuals: what is new in each, (m, d).
        places: of those that the numbers are of, n, at least 1.
        gradients: of each class's validation loss at the start model, (classes, d).
        start_losses: of the start model, a class, (classes,).
        losses: of each update's whole model, (n, classes).
        kept: which of the n are in S*.
        marginal: by how much each lowers the loss beside those kept, (n,), nats.
        loss: of the start model, nats.
        certainty: see ``Features``, (n,).
    """
    downhill = _unit(-gradients).T
    cosines = by_rows(updates, lambda rows: _unit(rows) @ downhill, places)
    finite = np.where(np.isfinite(losses), losses, 1e6)
    improvement = (1 - finite / np.maximum(start_losses, 1e-6)).max(axis=1)
    inside = np.array([place in kept for place in range(len(places))], dtype=float)
    together = sum_of_rows(residuals, inside, places)
    agreement = (
        _agreement_of_many(residuals, places, inside, together)
        if is_many(len(places))
        else np.array(
            [
                float(fresh @ _unit(together - inside[place] * residuals[places[place]]))
                for place, fresh in enumerate(_unit(residuals[places]))
            ]
        )
    )
    lengths = lengths_of(updates, places)
    usual = float(np.median(lengths))
    return Features(
        spread=(cosines.max(axis=1) + cosines.min(axis=1)) / 0.1,
        alignment=cosines.mean(axis=1) / 0.02,
        improvement=improvement,
        agreement=agreement / 0.1,
        marginal=np.nan_to_num(marginal, nan=0.0, posinf=1e6, neginf=-1e6) / max(0.05 * loss, 1e-9),
        length=lengths / usual if usual else np.ones(len(lengths)),
        certainty=certainty,
    )


def _agreement_of_many(
    residuals: Vectors, places: Sequence[int], inside: Vectors, together: Vectors
) -> Vectors:
    """Cosine of each to the sum of the others kept, by products with the sum of all."""
    exact = [
        (np.square(rows).sum(axis=1), rows @ together)
        for rows in (block.astype(np.float64) for block in row_blocks(residuals, places))
    ]
    own, along = map(np.concatenate, zip(*exact, strict=True))
    towards = along - inside * own
    others = np.sqrt(np.maximum(float(together @ together) - 2 * inside * along + inside * own, 0))
    scale = np.sqrt(own) * others
    return np.where(scale > 0, towards / np.where(scale > 0, scale, 1), 0.0)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: Vectors = vectors / np.where(lengths > 0, lengths, 1)
    return units
