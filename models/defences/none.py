# SPDX-License-Identifier: Apache-2.0
"""No defence: every valid update is scored and aggregated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bcfl.models.defences.bounds import Track
from bcfl.models.defences.defence import DefenceRound, Fault, Memory, Verdict
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.weights import Weights
from bcfl.registry import register

__all__ = ("NoDefence",)


@register("defence", "none")
@dataclass(frozen=True, kw_only=True)
class NoDefence:
    """Nobody is filtered; rewards follow the scores alone."""

    stateless: ClassVar[bool] = True
    words: ClassVar[frozenset[str]] = frozenset()
    paid: ClassVar[frozenset[str]] = frozenset()

    def foregone(
        self,
        start: bytes,  # noqa: ARG002 - the port's
        digests: Mapping[int, bytes],  # noqa: ARG002
        positions: Mapping[int, int],  # noqa: ARG002
    ) -> Mapping[int, str]:
        """Nobody is rejected."""
        return {}

    def passed(
        self,
        start: Weights,  # noqa: ARG002 - the port's
        models: Mapping[int, Weights],
        rejected: Mapping[int, str],
    ) -> Mapping[int, Weights]:
        """All, as they are."""
        return {index: model for index, model in models.items() if index not in rejected}

    def could_sanction(
        self,
        tracks: Mapping[int, Track],  # noqa: ARG002 - the port's
        suspend: Mapping[int, tuple[int, Fault]],
        eject: Mapping[int, Fault],
    ) -> bool:
        """Never."""
        return not suspend and not eject

    async def judge(self, made: DefenceRound, memory: Memory, laboratory: ScoringEngine) -> Verdict:  # noqa: ARG002 - the port's
        """Everybody passes."""
        return Verdict(
            models=(models := {member.index: member.model for member in made.members}),
            scored=models,
            factors={},
            evidence={},
            rejected={},
            suspend={},
            eject={},
            memory=memory,
        )
