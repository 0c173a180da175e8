# SPDX-License-Identifier: Apache-2.0
"""Which class the final model takes for which, on the samples that it is measured on and on each trainer's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.confusion import Confusion
from bcfl.models.networks.network import Network
from bcfl.models.training.engine import Engine
from bcfl.models.weights import Weights
from bcfl.scenarios.errors import RunDirectoryUnreadable
from bcfl.scenarios.outcome.summary_classes import Classification, ClassScores

__all__ = ("classes_measured", "classification_of")

Indices = npt.NDArray[np.int64]

_MOST_TRAINERS = 64
_MOST_SAMPLES = 1000
"""Of a trainer: enough for what a table shows, and a thousand trainers' own data would take longer than their training."""


async def classes_measured(
    network: Network,
    weights: Weights,
    engine: Engine,
    *,
    validation: str,
    train: str,
    shares: Mapping[str, Indices],
    labels: tuple[str, ...],
) -> dict[str, Any]:
    """What the runner writes into the log: class, what the model says, samples, of whatever there is any.

    Args:
        network: of the model.
        weights: the final ones.
        engine: has the samples.
        validation: key of the samples that models are measured on.
        train: key of the training split.
        shares: each trainer's part of it; of more than 64 trainers none is looked at, and of each 1,000 samples at most.
        labels: of the classes.
    """
    parts = shares if len(shares) <= _MOST_TRAINERS else {}
    return {
        "labels": list(labels),
        "overall": await engine.confusion(network, weights, validation, len(labels)),
        "trainers": {
            name: await engine.confusion(network, weights, train, len(labels), _some(share))
            for name, share in parts.items()
        },
    }


def _some(share: Indices) -> Indices:
    return share[:: -(-len(share) // _MOST_SAMPLES)]


def classification_of(measured: Mapping[str, Any]) -> Classification | None:
    """The summary's part; None where nothing was measured.

    Raises:
        RunDirectoryUnreadable: the record is damaged.
    """
    if not measured:
        return None
    try:
        labels = tuple(measured["labels"])
        return Classification(
            labels=labels,
            overall=_scores(measured["overall"], len(labels)),
            trainers={name: _scores(cells, len(labels)) for name, cells in measured["trainers"].items()},
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunDirectoryUnreadable(
            "The record 'classes_measured' of the event log is damaged; run the scenario again."
        ) from error


def _scores(cells: list[list[int]], classes: int) -> ClassScores:
    found = Confusion.of_cells(cells, classes)
    return ClassScores(
        samples=found.samples,
        accuracy=found.accuracy,
        precision=found.macro(found.precision),
        recall=found.macro(found.recall),
        f1=found.macro(found.f1),
        confusion=tuple((true, said, count) for true, said, count in cells),
    )
