# SPDX-License-Identifier: Apache-2.0
"""No defence: every valid update is scored and aggregated."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.models.defences.defence import DefenceRound, Memory, Verdict
from bcfl.models.scoring.game import ScoringEngine
from bcfl.registry import register

__all__ = ("NoDefence",)


@register("defence", "none")
@dataclass(frozen=True, kw_only=True)
class NoDefence:
    """Nobody is filtered; rewards follow the scores alone."""

    async def judge(self, made: DefenceRound, memory: Memory, laboratory: ScoringEngine) -> Verdict:  # noqa: ARG002 - the port's
        """Everybody passes."""
        return Verdict(
            models={member.index: member.model for member in made.members},
            factors={},
            evidence={},
            rejected={},
            suspend={},
            eject={},
            memory=memory,
        )
