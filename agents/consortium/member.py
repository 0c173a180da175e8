# SPDX-License-Identifier: Apache-2.0
"""A consortium's member: trains like any trainer, judges the others' updates on its own data, agrees on the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np

from bcfl.agents.common.behaviour import Conduct, JudgeConduct, Judgement
from bcfl.agents.common.decisions import Aggregated, Judged, Judging, Telling, Unusable
from bcfl.agents.common.joining import TrainerIdentity, join
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.training import take_part
from bcfl.agents.common.update_maker import OwnData, UpdateMaker
from bcfl.agents.consortium.agreement import Agreed, AgreeModel, decide_agreement, verify
from bcfl.agents.consortium.ballots import Ballot, decide_ballots
from bcfl.agents.consortium.judging import JudgeRound, decide_judging, decide_opening
from bcfl.agents.consortium.member_round import JointModel, MemberRounds, public_before
from bcfl.agents.consortium.opinion import Opinion, decode_opinion, encode_opinion
from bcfl.agents.errors import UpdateUnavailable
from bcfl.agents.runtime.actions import Action, Results, View, Work
from bcfl.chain.journal import ActionRecord
from bcfl.chain.outbox import ActionKey
from bcfl.contracts.commitments import salt_for
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.phases import Phase
from bcfl.storage.content_id import cid_text

__all__ = ("HeldOut", "Member", "decide")

_TRIES = 3
_PAUSE_S = 1.0


def decide(
    view: View,
    me: TrainerIdentity,
    results: Results,
    ballots: Sequence[Ballot] = (),
) -> list[Action]:
    """All that a member wants now beside training.

    Raises:
        ModelDisagreement: the others agreed on another model than it computed.
    """
    state = ConsortiumState.of(view.seen)
    index = state.index_of.get(me.address) if state is not None else None
    if state is None or index is None or state.round == 0 or not state.members[index].active:
        return []
    verification: list[Action] = list(verify(view, results))
    if state.ended:
        return verification  # who was away at the end leaves with the final model too, and knows that it is right
    wanted = decide_ballots(state, index, ballots)
    record = state.current
    if index not in record.cohort:
        return [*verification, *wanted]
    match state.phase:
        case Phase.EVALUATION:
            return [*verification, *wanted, *decide_judging(view, state, index, me, results)]
        case Phase.SCORE_REVEAL:
            return [*verification, *wanted, *decide_opening(view, state, index, me, results)]
        case Phase.AGGREGATION:
            return [*verification, *wanted, *decide_agreement(view, state, index, results)]
        case _:
            return [*verification, *wanted]


def decide_training(view: View, me: TrainerIdentity, results: Results) -> list[Action]:
    """What a member wants as a trainer: an account must be let in, and the start model was agreed on by a majority."""
    state = ConsortiumState.of(view.seen)
    if state is None or state.ended:
        return []
    index = state.index_of.get(me.address)
    if index is None:
        return join(view, state, me, results) if me.address in state.allowed else []
    if state.round == 0 or not state.members[index].active:
        return []
    return take_part(view, state, index, me, results)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A member's own samples that it judges on: their name in the engine, and how many those are."""

    key: str
    count: int


class Member:
    """A member's hands: a trainer's, and those of a judge.

    Args:
        identity: who it is.
        secret: 32 bytes that only it knows; salts come from it.
        data: what it trains on.
        held_out: what it judges on.
        services: what it shares with the agents of its process.
        conduct: its behaviour as a trainer, honest by default.
        judging: its behaviour as a judge, honest by default.
        ballots: whom it wants to let in or send away.
    """

    role = "member"

    def __init__(
        self,
        *,
        identity: TrainerIdentity,
        secret: bytes,
        data: OwnData,
        held_out: HeldOut,
        services: AgentServices,
        conduct: Conduct | None = None,
        judging: JudgeConduct | None = None,
        ballots: Sequence[Ballot] = (),
    ) -> None:
        self.name = identity.name
        self.identity = identity
        self._updates = UpdateMaker(
            identity=identity,
            secret=secret,
            data=data,
            services=services,
            conduct=conduct or Conduct(),
            role=self.role,
        )
        self._secret = secret
        self._held_out = held_out
        self._rounds = MemberRounds(
            engine=services.engine, retrieval=services.retrieval, held_out=held_out.key
        )
        self._services = services
        self._judging = judging or JudgeConduct()
        self._ballots = tuple(ballots)
        self._tell = Telling(observer=services.observer, agent=self.name, role=self.role)

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """All that it wants now.

        Raises:
            ModelDisagreement: the others agreed on another model than it computed.
        """
        judging = decide(view, self.identity, results, self._ballots)
        return [
            *self._updates.choose(view, decide_training(view, self.identity, results)),
            *self._judging.judge.decide(view, self.identity.address, judging),
        ]

    async def perform(self, work: Work[Any]) -> Any:  # noqa: ANN401 - a trainer's results, and these
        """Do a piece of its work."""
        match work:
            case JudgeRound():
                return await self._judge(work)
            case AgreeModel():
                return await self._agree(work)
            case _:
                return await self._updates.perform(work)

    async def _judge(self, work: JudgeRound) -> Opinion:
        state = work.state
        start = state.current.start_model
        salt = salt_for(self._secret, state.address, work.round, b"scores")
        # The start is part of the key: after a reorganisation the round may begin from another model.
        key = ActionKey(self.name, state.address, work.round, f"scores:{start.digest.hex()[:16]}")
        recorded = await self._services.journal.action(key)
        if recorded is not None:
            known = decode_opinion(recorded, salt=salt)
            if known.targets == tuple(index for index, _ in work.updates):
                return known
        self._tell(work.round, Judging())
        verdicts = await self._rounds.judge(
            specification=await self._services.retrieval.specification(state.config.specification),
            record=state.current,
            max_update_size=state.config.max_update_size,
            public=public_before(state, work.round),
        )
        judgement = self._judging.judge.judge(
            Judgement(scores=verdicts.scores, probe=verdicts.probe),
            state=state,
            friends=self._judging.friends(state),
            rng=self._rng(work.round),
        )
        opinion = Opinion(
            targets=tuple(index for index, _ in work.updates),
            scores=tuple(score for index, score in sorted(judgement.scores.items()) if index != work.index),
            probe=judgement.probe,
            salt=salt,
        )
        judged = Judged(
            loss=verdicts.loss,
            accuracy=verdicts.accuracy,
            samples=self._held_out.count,
            scores={str(index): score for index, score in judgement.scores.items() if index != work.index},
            rejected={str(index): reason for index, reason in verdicts.rejected.items()},
            probe=judgement.probe.hex(),
        )
        self._tell(work.round, judged)
        await self._services.journal.write(actions=[ActionRecord(key, encode_opinion(opinion))])
        return opinion

    async def _agree(self, work: AgreeModel) -> Agreed | None:
        joint = await self._joint_model(work)
        if joint is None:
            return None
        model = await self._services.store.put(joint.model)
        if joint.memory is not None:
            await self._services.store.put(joint.memory)
        await self._services.store.pin(model)
        judge = self._judging.judge
        other = judge.name_model(joint.model, rng=self._rng(work.round))
        named = model if other == joint.model else await judge.publish(other, self._services.store)
        weights = {str(index): weight for index, weight in joint.weights.items()}
        self._tell(work.round, Aggregated(cid=cid_text(model), weights=weights))
        return Agreed(model=model, named=named)

    async def _joint_model(self, work: AgreeModel) -> JointModel | None:
        """The next model; None where an update that counts stays away: the others decide without this member."""
        config = work.state.config
        specification = await self._services.retrieval.specification(config.specification)
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._rounds.aggregate(
                    specification=specification, record=work.record, max_update_size=config.max_update_size
                )
            except UpdateUnavailable as error:
                self._tell(work.round, Unusable(reason=str(error), attempt=attempt))
                await anyio.sleep(_PAUSE_S)
        return None

    def _rng(self, round_number: int) -> np.random.Generator:
        return np.random.default_rng(self._judging.seeds.integer("judge", self.name, round_number))
