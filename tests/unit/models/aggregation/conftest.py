# SPDX-License-Identifier: Apache-2.0
"""Small models and rounds made of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bcfl.models.aggregation.aggregator import AggregationRound
from bcfl.models.weights import Schema, TensorSpec, Weights


def weights(values, name="w"):
    vector = np.array(values, dtype=np.float32)
    return Weights(Schema((TensorSpec(name, vector.shape),)), vector)


def round_of(updates, *, start=None, samples=None, scores=None, loss=None, root=None):
    """A round of plain lists; the loss is the distance from the origin unless told, and is counted."""
    models = tuple(update if isinstance(update, Weights) else weights(update) for update in updates)
    begin = weights(np.zeros(models[0].schema.size)) if start is None else weights(start)

    async def measure(model):
        return float(np.abs(model.vector).sum()) if loss is None else loss(model.vector)

    async def trained():
        return weights(root)

    return AggregationRound(
        start=begin,
        updates=models,
        samples=tuple(samples or [1] * len(models)),
        scores=tuple(scores or [1.0] * len(models)),
        loss=measure,
        root=trained,
    )


@pytest.fixture(scope="session")
def make():
    """``make.weights(values)`` and ``make.round(updates, ...)``."""
    return SimpleNamespace(weights=weights, round=round_of)
