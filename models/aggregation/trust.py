# SPDX-License-Identifier: Apache-2.0
"""FLTrust: updates count as far as they point where the evaluator's own training points.

The root model is trained by whoever aggregates. Training repeats bit for bit only on one kind of device and one
version of torch, so an auditor needs those, and the evaluator's samples, to repeat this rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import anyio.to_thread
import numpy as np
import numpy.typing as npt

from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound
from bcfl.models.aggregation.robust import RobustRule
from bcfl.models.aggregation.sums import distance, dot, norm
from bcfl.models.aggregation.weights import integer_weights
from bcfl.models.weights import Weights
from bcfl.registry import register

__all__ = ("FLTrust", "fltrust")

_Vector = npt.NDArray[np.float64]
_ROUNDING = 1e-5
"""Of a model's length: far more than rounding to float32 costs, far less than does any harm."""


@register("aggregator", "fltrust", source="Cao et al. 2021, arXiv 2012.13995")
@dataclass(frozen=True, kw_only=True)
class FLTrust(RobustRule):
    """Updates as long as the evaluator's own, weighed by the positive part of their cosine with it.

    The evaluator trains from the round's start on its own samples. Where nobody points its way the model is kept.
    """

    private: ClassVar[bool] = True

    async def combine(self, models: tuple[Weights, ...], made: AggregationRound) -> Aggregate:
        """Integers are in proportion to the cosines."""
        root = await made.root()
        return await anyio.to_thread.run_sync(fltrust, models, made.start, root)

    def possible(self, aggregate: Aggregate, made: AggregationRound) -> bool:
        """Whether the model lies where its weights point; how far, the evaluator alone can say.

        After pre-aggregators the weights of what they made are not known, and anything is possible.
        """
        if self.before:
            return True
        if not any(aggregate.integers):
            return aggregate.model.digest() == made.start.digest()
        weighed = [m for m, integer in zip(made.updates, aggregate.integers, strict=True) if integer]
        if not all(norm(_step(model, made.start)) for model in weighed):
            return False  # an update that points nowhere has no weight
        towards = _pull(made.updates, made.start, aggregate.integers, 1.0)
        moved = _step(aggregate.model, made.start)
        reach = dot(moved, towards) / (dot(towards, towards) or 1.0)
        return reach > 0 and distance(moved, reach * towards) <= _ROUNDING * norm(aggregate.model.vector)


def fltrust(models: Sequence[Weights], start: Weights, root: Weights) -> Aggregate:
    """The model start + Σ tᵢ·(‖g‖/‖gᵢ‖)·gᵢ / Σ tᵢ with tᵢ = max(0, cos(gᵢ, g)), gᵢ = wᵢ − start, g = root − start.

    Raises:
        SchemaMismatch: a model is of another network.
    """
    trusted = _step(root, start)
    reach = norm(trusted)
    trust = []
    for model in models:
        step = _step(model, start)
        length = norm(step)
        # One division after the other: the product of two tiny norms could be 0.
        trust.append(max(0.0, dot(step, trusted) / length / reach) if length and reach else 0.0)
    integers = integer_weights(trust)
    if not any(integers):
        return Aggregate(model=start, integers=integers)
    running = _pull(models, start, integers, reach)
    np.add(running, start.vector, out=running)
    return Aggregate(model=Weights(start.schema, running.astype(np.float32)), integers=integers)


def _pull(models: Sequence[Weights], start: Weights, integers: Sequence[int], reach: float) -> _Vector:
    """Σ kᵢ·(reach/‖gᵢ‖)·gᵢ / Σ kᵢ of at least one kᵢ above 0; of such gᵢ none has length 0."""
    running: _Vector = np.zeros(start.schema.size)
    for model, integer in zip(models, integers, strict=True):
        if integer:
            step = _step(model, start)
            np.multiply(step, integer * (reach / norm(step)), out=step)
            np.add(running, step, out=running)
    np.divide(running, np.float64(sum(integers)), out=running)
    return running


def _step(model: Weights, start: Weights) -> _Vector:
    start.same_schema(model)
    return np.subtract(model.vector, start.vector, dtype=np.float64)
