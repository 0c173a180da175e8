# SPDX-License-Identifier: Apache-2.0
"""Accomplices who hand in what one of them learnt: the leader works, the others copy."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bcfl.models.attacks.attack import Attack, Knowledge, Outlook, Scene
from bcfl.models.attacks.vectors import Vector, disguised
from bcfl.models.weights import Schema, TensorSpec
from bcfl.registry import register

__all__ = ("Plagiarist", "permuted")

_MOST_DIRECTIONS = 2


@register(
    "attack", "plagiarist", source="Ma et al. 2022 (BLADE-FL), arXiv 2012.02044; permutation: this project"
)
@dataclass(frozen=True, kw_only=True)
class Plagiarist(Attack):
    """The model of the circle's leader, before it is public; the leader is honest, and so is who is alone.

    ``exact``: the same weights; ``noisy``: with noise of ``sigma`` relative to the leader's update; ``blended``: half of
    it and half of the last global step, plus that noise; ``permuted``: with its hidden units in another order, which
    computes the same function from weights that look unrelated (``permuted`` below says where that is possible).
    """

    mode: Literal["exact", "noisy", "blended", "permuted"] = "exact"
    sigma: float = 0.1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma) and self.sigma >= 0):
            raise ValueError(f"sigma must be at least 0, not {self.sigma}")

    @property
    def knowledge(self) -> Knowledge:
        """The leader's model."""
        return "colluders"

    def effort(self, full: int) -> int:  # noqa: ARG002 - none of it
        """None."""
        return 0

    def ready(self, outlook: Outlook) -> bool:
        """Somebody else must lead; for a blend the global model must have moved."""
        return outlook.place > 0 and (self.mode != "blended" or outlook.moved)

    async def craft(self, scene: Scene) -> Vector | None:
        """None where the leader handed over nothing."""
        if scene.place == 0 or not scene.peers[0].any():
            return None
        copied = scene.peers[0]
        match self.mode:
            case "exact":
                return copied
            case "noisy":
                return disguised(copied, self.sigma, scene.rng)
            case "blended":
                step = scene.last_step
                return disguised(copied if step is None else (copied + step) / 2, self.sigma, scene.rng)
            case "permuted":
                return permuted(scene.start + copied, scene.schema, scene.rng) - scene.start


def permuted(model: Vector, schema: Schema, rng: np.random.Generator) -> Vector:
    """The model with the hidden units between consecutive fully connected layers in a random order.

    A layer is a weight of two directions (out, in) with, where there is one, the bias (out,) right behind it; the next
    such weight must take exactly those units as its inputs. Rows, biases and the next layer's columns move together,
    so any elementwise activation in between computes the same. Convolutions are left alone; a network without two
    such layers in a row is returned as it is, which makes the copy an exact one.
    """
    result = model.copy()
    views = _views(result, schema)
    layers = [
        (place, spec)
        for place, spec in enumerate(schema.tensors)
        if len(spec.shape) == _MOST_DIRECTIONS and spec.size
    ]
    for (place, spec), (next_place, next_spec) in itertools.pairwise(layers):
        units = spec.shape[0]
        between = schema.tensors[place + 1 : next_place]
        if next_spec.shape[1] != units or any(tensor.shape != (units,) for tensor in between):
            continue
        order = rng.permutation(units)
        for moved in (views[place], *views[place + 1 : next_place]):
            moved[:] = moved[order]
        views[next_place][:] = views[next_place][:, order]
    return result


def _views(vector: Vector, schema: Schema) -> list[Vector]:
    """Writable views of the tensors, in order."""
    views, offset = [], 0
    tensor: TensorSpec
    for tensor in schema.tensors:
        views.append(vector[offset : offset + tensor.size].reshape(tensor.shape))
        offset += tensor.size
    return views
