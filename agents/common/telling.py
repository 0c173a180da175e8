# SPDX-License-Identifier: Apache-2.0
"""What an agent says of its decisions to whoever watches."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.agents.common.decisions import Decision
from bcfl.agents.runtime.ports import Observer

__all__ = ("Telling",)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """Tells the observer what one agent did in a round, 0: outside rounds."""

    observer: Observer
    agent: str
    role: str

    def __call__(self, round_number: int, decision: Decision) -> None:
        """It did that."""
        self.observer.decided(
            agent=self.agent,
            role=self.role,
            name=decision.name,
            round_number=round_number,
            evidence=decision.model_dump(exclude_unset=True),
        )
