# SPDX-License-Identifier: Apache-2.0
"""Trainers that fill blocks with transactions that change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bcfl.agents.common.behaviour import Honest
from bcfl.agents.common.circle import Circle
from bcfl.agents.runtime.actions import Action, Transact, View
from bcfl.contracts import calls
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.registry import register

__all__ = ("TxSpam",)


@register("behaviour", "tx_spam", source="NEBULA (Martínez Beltrán et al., 2024), flooding")
@dataclass(frozen=True, kw_only=True)
class TxSpam(Honest):
    """Does honest work and sends ``count`` withdrawals for nobody in every training phase, before its own commitment."""

    count: int = 20

    misbehaves = True

    def decide(
        self,
        view: View,
        me: Address,
        actions: Sequence[Action],
        circle: Circle | None = None,  # noqa: ARG002 - it needs nobody
    ) -> Sequence[Action]:
        """Noise first."""
        state = view.seen
        if state is None or state.round == 0 or state.phase is not Phase.TRAINING or me not in state.index_of:
            return actions
        nothing = calls.withdraw(state.address, [])
        spam = [
            Transact(round=state.round, name=f"spam:{number}", call=nothing) for number in range(self.count)
        ]
        return [*spam, *actions]
