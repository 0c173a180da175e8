# SPDX-License-Identifier: Apache-2.0
"""How well a model does on samples, from its outputs on them: accuracy, area under the ROC curve, loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ("Performance", "area_under_roc", "auroc", "performance")


@dataclass(frozen=True, kw_only=True)
class Performance:
    """A model on ``samples`` samples.

    ``accuracy`` is the share whose largest logit is the true class, ``loss`` the mean cross-entropy in nats, not finite
    for a broken model. ``auroc`` is None where it has no meaning: all samples are of one class, or the model is broken.
    """

    accuracy: float
    auroc: float | None
    loss: float
    samples: int


def performance(outputs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> Performance:
    """What logits (n, classes) are worth against the classes (n,), n ≥ 1; sums are in float64."""
    logits = outputs.astype(np.float64)
    chosen = np.arange(len(targets))
    with np.errstate(invalid="ignore"):  # a broken model's logits are infinite or no numbers
        losses = _log_sum(logits) - logits[chosen, targets]
    return Performance(
        accuracy=float((logits.argmax(axis=1) == targets).mean()),
        auroc=auroc(outputs, targets),
        loss=float(losses.mean()),
        samples=len(targets),
    )


def auroc(outputs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float | None:
    """The area under the ROC curve of logits (n, classes); with more than two classes the mean of each against the rest.

    A class is told from the rest by its log-odds, which order samples as its probability does but never saturate.
    Classes that no sample or every sample has are left out. None if none is left, or a logit is not finite.
    """
    if not np.isfinite(outputs).all():
        return None
    logits = outputs.astype(np.float64)
    classes = range(1, 2) if logits.shape[1] == 2 else range(logits.shape[1])
    areas = [
        area_under_roc(logits[:, label] - _log_sum(np.delete(logits, label, axis=1)), targets == label)
        for label in classes
        if 0 < np.count_nonzero(targets == label) < len(targets)
    ]
    return float(np.mean(areas)) if areas else None


def area_under_roc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """The chance that a positive sample scores above a negative one, ties counting half (Mann, Whitney 1947).

    Both arguments are (n,), with at least one sample that is positive and one that is not.
    """
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # from 1; who ties shares the mean of their ranks
    wins = ranks[positive].sum() - (found := np.count_nonzero(positive)) * (found + 1) / 2
    return float(wins / (found * (len(scores) - found)))


def _log_sum(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The logarithm of Σ exp over the classes, (n,)."""
    largest = logits.max(axis=1)
    total: npt.NDArray[np.float64] = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return total
