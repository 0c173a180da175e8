# SPDX-License-Identifier: Apache-2.0
"""A relayer of the same process, as scenarios have it."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.agents.relayer.intake import Intake
from bcfl.contracts.ids import Address
from bcfl.contracts.messages import Message

__all__ = ("LocalRelay",)


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalRelay:
    """Gives messages to an intake beside it."""

    intake: Intake

    async def hand_in(self, task: Address, message: Message) -> None:  # noqa: ARG002 - it has one task
        """Give it a message; raises as ``Intake.take``."""
        await self.intake.take(message)
