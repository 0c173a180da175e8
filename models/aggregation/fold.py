# SPDX-License-Identifier: Apache-2.0
"""The reproducible fold: a weighted mean of models that every member can repeat bit for bit.

A product of a float32 (24 significant bits) and an integer below 2²⁹ is exact in float64. Products are made
and added by separate operations (a fused multiply-add or a matrix library would round otherwise), in the
order of the models; the sum is divided once and rounded once to float32. Each parameter is computed by
itself, so neither the block size nor the machine's vector width matters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bcfl.models.errors import InvalidFold
from bcfl.models.weights import Weights

__all__ = ("INTEGER_LIMIT", "fold")

INTEGER_LIMIT = 2**29
"""Integer weights stay below it: 24 + 29 bits are the 53 of a float64."""

_BLOCK = 1 << 16


def fold(weights: Sequence[Weights], integers: Sequence[int], *, block: int = _BLOCK) -> Weights:
    """Σ kᵢ·wᵢ / Σ kᵢ, parameter by parameter.

    Args:
        weights: the models, in the order in which they are named on chain.
        integers: kᵢ, 0 ≤ kᵢ < 2²⁹, one for each model; a model of weight 0 is not read at all.
        block: parameters folded at a time, to stay in the processor's cache; it changes no bit.

    Raises:
        InvalidFold: the integers are out of range, all zero or not as many as the models.
        SchemaMismatch: the models are of different networks.
    """
    if len(weights) != len(integers):
        raise InvalidFold(f"{len(weights)} models need as many integer weights, not {len(integers)}.")
    if any(not 0 <= integer < INTEGER_LIMIT for integer in integers):
        raise InvalidFold(f"Integer weights must be at least 0 and below 2²⁹, not {list(integers)}.")
    total = sum(integers)
    if total == 0:
        raise InvalidFold(
            "All integer weights are zero, so there is nothing to fold: keep the model as it is."
        )
    for other in weights[1:]:
        weights[0].same_schema(other)
    size = weights[0].schema.size
    result = np.empty(size, dtype=np.float32)
    for begin in range(0, size, block):
        end = min(begin + block, size)
        running = np.zeros(end - begin, dtype=np.float64)
        for model, integer in zip(weights, integers, strict=True):
            if integer:
                product = np.multiply(model.vector[begin:end], np.float64(integer), dtype=np.float64)
                np.add(running, product, out=running)
        np.divide(running, np.float64(total), out=running)
        result[begin:end] = running
    return Weights(weights[0].schema, result)
