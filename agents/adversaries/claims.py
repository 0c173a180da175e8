# SPDX-License-Identifier: Apache-2.0
"""Trainers that do honest work and say that it was more."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.agents.common.behaviour import Honest, Turn
from bcfl.registry import register

__all__ = ("SampleSizeLiar",)


@register(
    "behaviour", "sample_size_liar", source="claims of n_k cannot be verified: FedAvg (McMahan et al., 2017)"
)
@dataclass(frozen=True, kw_only=True)
class SampleSizeLiar(Honest):
    """Claims ``factor`` times its samples, for weight in the aggregate; above the task's limit it is rejected."""

    factor: float = 10.0

    misbehaves = True

    def claim(self, turn: Turn) -> int:
        """Rounded, at least one."""
        return max(1, round(turn.samples * self.factor))
