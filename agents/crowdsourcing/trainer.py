# SPDX-License-Identifier: Apache-2.0
"""The trainer: joins, checks the last evaluation, trains on its own data, commits to its update and opens the commitment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bcfl.agents.common.behaviour import Conduct
from bcfl.agents.common.joining import TrainerIdentity, join
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.training import Update, take_part
from bcfl.agents.common.update_maker import OwnData, UpdateMaker
from bcfl.agents.crowdsourcing.objecting.evaluation_check import (
    CheckEvaluation,
    EvaluationCheck,
    Objection,
    OwnLoss,
)
from bcfl.agents.crowdsourcing.objecting.objection import decide_objection
from bcfl.agents.relayer.handing_in import HandIn, HandingIn
from bcfl.agents.runtime.actions import Action, Results, View, Work
from bcfl.contracts.calls import Permit
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.phases import Phase

__all__ = ("Trainer", "decide")


def decide(view: View, me: TrainerIdentity, results: Results) -> list[Action]:
    """All that a trainer wants now."""
    state = CrowdState.of(view.seen)
    if state is None or state.ended:
        return []
    index = state.index_of.get(me.address)
    if index is None:
        return join(view, state, me, results)
    if state.round == 0 or state.phase not in {Phase.TRAINING, Phase.REVEAL, Phase.CLOSING}:
        return []
    objecting, usable = decide_objection(view, state, index, results)
    return [*objecting, *take_part(view, state, index, me, results)] if usable else objecting


class Trainer:
    """A crowd's trainer.

    Args:
        identity: who it is.
        secret: 32 bytes that only it knows; salts come from it.
        data: what it trains on.
        services: what it shares with the agents of its process.
        conduct: its behaviour, honest by default.
        check: checks evaluations; agents of one process share it.
        handing_in: its way through relayers; None: it acts itself.
    """

    role = "trainer"

    def __init__(
        self,
        *,
        identity: TrainerIdentity,
        secret: bytes,
        data: OwnData,
        services: AgentServices,
        conduct: Conduct | None = None,
        check: EvaluationCheck | None = None,
        handing_in: HandingIn | None = None,
    ) -> None:
        self.name = identity.name
        self.identity = identity
        self._secret = secret
        self._updates = UpdateMaker(
            identity=identity,
            secret=secret,
            data=data,
            services=services,
            conduct=conduct or Conduct(),
            role=self.role,
        )
        self._check = check or EvaluationCheck(services.retrieval)
        self._handing_in = handing_in
        self._own_loss = OwnLoss(engine=services.engine, samples=data.samples, count=data.count)

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """All that it wants now."""
        chosen = self._updates.choose(view, decide(view, self.identity, results))
        return chosen if self._handing_in is None else self._handing_in.choose(view, chosen, results)

    async def perform(self, work: Work[Any]) -> Update | Permit | Objection | bool | None:
        """Do a piece of its work."""
        if isinstance(work, CheckEvaluation):
            return await self._check.check(work, self._own_loss, secret=self._secret)
        if isinstance(work, HandIn) and self._handing_in is not None:
            return await self._handing_in.perform(work)
        return await self._updates.perform(work)
