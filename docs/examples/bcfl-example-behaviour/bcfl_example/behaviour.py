# SPDX-License-Identifier: Apache-2.0
"""A behaviour of a trainer: an honest one with one stage replaced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bcfl.plugin import Honest, Turn, Weights, register

__all__ = ("HalfHearted",)


@register("behaviour", "half_hearted", source="an example")
@dataclass(frozen=True, kw_only=True)
class HalfHearted(Honest):
    """Hands in only ``part`` of what it has learnt, and keeps the rest for itself."""

    part: float = 0.5

    misbehaves = True

    async def update(self, turn: Turn) -> Weights | None:
        """The training stage: part of the way from the round's model to its own."""
        own = await turn.train()
        step = own.vector - turn.start.vector
        return Weights(turn.start.schema, (turn.start.vector + self.part * step).astype(np.float32))
