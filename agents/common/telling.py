# SPDX-License-Identifier: Apache-2.0
"""What an agent says of its decisions to whoever watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bcfl.agents.runtime.ports import Observer

__all__ = ("Telling",)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """Tells the observer what one agent did in a round; what it shows of that are values of the event log."""

    observer: Observer
    agent: str
    role: str

    def __call__(self, name: str, round_number: int, **evidence: Any) -> None:  # noqa: ANN401 - event log values
        """It did ``name``."""
        self.observer.decided(
            agent=self.agent, role=self.role, name=name, round_number=round_number, evidence=evidence
        )
