# SPDX-License-Identifier: Apache-2.0
"""Makes a member's updates: trains on its own data, keeps what it committed to, puts it into the store.

Each step is a method of its own, so that a behaviour can take its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import numpy as np

from bcfl.agents.common.behaviour import Conduct, Honest, Turn
from bcfl.agents.common.decisions import Misbehaving, Telling, Trained, Training, Unusable
from bcfl.agents.common.entries import network_of, packing_of
from bcfl.agents.common.joining import AllowStake, TrainerIdentity
from bcfl.agents.common.retrieval import schema_of
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.training import Publish, Train, Update
from bcfl.agents.errors import UpdateLost
from bcfl.agents.runtime.actions import Action, View, Work
from bcfl.chain.journal import ActionRecord
from bcfl.chain.outbox import ActionKey
from bcfl.contracts.calls import Permit
from bcfl.contracts.commitments import salt_for
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState
from bcfl.errors import ContractError, RegistryError
from bcfl.models.errors import InvalidHyperparameters, MalformedUpdate, SchemaMismatch
from bcfl.models.training.hyperparameters import hyperparameters_of
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.training.privacy import Privacy, steps_of
from bcfl.models.weights import Weights
from bcfl.models.wire.feedback import ErrorFeedback
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import FetchError

__all__ = ("OwnData", "UpdateMaker")

_UNUSABLE = (
    FetchError,
    MalformedUpdate,
    SchemaMismatch,
    InvalidHyperparameters,
    ContractError,
    RegistryError,
)


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What a member trains on: samples that the engine has, how many those are, and the privacy that they are promised."""

    samples: SamplesRef
    count: int
    privacy: Privacy | None = None


class UpdateMaker:
    """A member's hands where updates are concerned.

    Args:
        identity: who it is.
        secret: 32 bytes that only it knows; salts come from it.
        data: what it trains on.
        services: what it shares with the agents of its process.
        conduct: its behaviour.
        role: what it is called in the event log.
    """

    def __init__(
        self,
        *,
        identity: TrainerIdentity,
        secret: bytes,
        data: OwnData,
        services: AgentServices,
        conduct: Conduct,
        role: str,
    ) -> None:
        self.identity = identity
        self._secret = secret
        self._data = data
        self._services = services
        self._conduct = conduct
        self._told: set[int] = set()
        self._feedback: dict[Address, ErrorFeedback] = {}
        self._tell = Telling(observer=services.observer, agent=identity.name, role=role)

    def choose(self, view: View, actions: Sequence[Action]) -> Sequence[Action]:
        """What its behaviour makes of what an honest member wants, as far as it is there."""
        state = view.seen
        if state is None:
            return actions
        me, conduct = self.identity.address, self._conduct
        if conduct.attendance.is_away(state, me):
            self._release(actions, ())
            return ()
        chosen = conduct.attendance.choose(
            view, me, self._acting(state).decide(view, me, actions, conduct.circle)
        )
        self._release(actions, chosen)
        return chosen

    def _release(self, honest: Sequence[Action], chosen: Sequence[Action]) -> None:
        """Accomplices need not wait for the model of one who will not train."""
        for work in honest:
            if isinstance(work, Train) and work not in chosen:
                for circle in (self._conduct.circle, self._conduct.sight):
                    if circle is not None:
                        circle.share((work.round, work.start.digest), self.identity.name, None)

    def _acting(self, state: TaskState) -> Honest:
        """The behaviour of the state's round; what misbehaves is told once a round, for whoever measures detection."""
        index = state.index_of.get(self.identity.address)
        acting = self._conduct.at(state, self.identity.name, index)
        taking_part = state.round and index is not None and index in state.current.cohort
        if acting.misbehaves and taking_part and not state.ended and state.round not in self._told:
            self._told.add(state.round)
            self._tell(state.round, Misbehaving())
        return acting

    async def perform(self, work: Work[Any]) -> Update | Permit | bool | None:
        """Train, publish, or allow the stake.

        Raises:
            TypeError: it is other work.
        """
        match work:
            case Train():
                try:
                    return await self._train(work)
                except _UNUSABLE as error:
                    # A round whose model or specification cannot be used is sat out: the task may mend itself.
                    self._tell(work.round, Unusable(reason=str(error)))
                    return None
            case Publish():
                return await self._publish(work)
            case AllowStake():
                return await self._services.permits.permit(work.token, spender=work.task, amount=work.amount)
            case _:
                raise TypeError(f"A trainer does not know {work!r}.")

    async def _train(self, work: Train) -> Update | None:
        # The start is part of the key: after a reorganisation the round may begin from another model.
        key = ActionKey(self.identity.name, work.task, work.round, f"update:{work.start.digest.hex()[:16]}")
        salt = salt_for(self._secret, work.task, work.round)
        recorded = await self._services.journal.action(key)
        if recorded is not None:
            return Update(key=key, content=content_id(recorded), salt=salt)
        specification = await self._services.retrieval.specification(work.specification)
        start = await self._services.retrieval.model(
            work.start, schema_of(specification), max_bytes=work.max_update_size
        )
        network = network_of(specification)
        state = work.state
        turn = Turn(
            name=self.identity.name,
            index=state.index_of[self.identity.address],
            round=work.round,
            state=state,
            start=start,
            start_id=work.start,
            job=TrainingJob(
                network=network,
                hyperparameters=dataclasses.replace(
                    hyperparameters_of(specification.training, work.round), privacy=self._data.privacy
                ),
                start=start,
                samples=self._data.samples,
                seed=self._services.seeds.integer("training", self.identity.name, work.round),
            ),
            samples=self._data.count,
            rng=np.random.default_rng(
                self._services.seeds.integer("behaviour", self.identity.name, work.round)
            ),
            steady_rng=lambda: np.random.default_rng(
                self._services.seeds.integer("behaviour", self.identity.name)
            ),
            engine=self._services.engine,
            retrieval=self._services.retrieval,
            circle=self._conduct.circle,
            sight=self._conduct.sight,
            packing=packing_of(specification, start),
        )
        acting = self._conduct.at(state, self.identity.name, turn.index)
        self._tell(work.round, Training())
        try:
            weights = await acting.update(turn)
        finally:
            turn.share(None)  # accomplices need not wait for what will not come
        if weights is None:
            return None
        metadata = {
            "round": str(work.round),
            "samples": str(acting.claim(turn)),
            "start": work.start.digest.hex(),
        }

        def encoded() -> bytes:
            return acting.encode(turn, self._with_what_was_left(turn, weights), metadata)

        # packing takes milliseconds, of a thousand trainers seconds in which nobody would hear of a block
        data = encoded() if turn.packing is None else await anyio.to_thread.run_sync(encoded)
        for result in turn.results[-1:]:
            trained = Trained(
                loss=result.train_loss,
                samples=self._data.count,
                steps=result.steps,
                epsilon=self._spent(turn),
            )
            self._tell(work.round, trained)
        # told before: what the journal has is not trained again, and then nobody would say so
        await self._services.journal.write(actions=[ActionRecord(key, data)])
        return Update(key=key, content=content_id(data), salt=salt)

    def _with_what_was_left(self, turn: Turn, weights: Weights) -> Weights:
        """With what its codec left out of its earlier updates of the task."""
        packing = turn.packing
        if packing is None or not packing.codec.feeds_back:
            return weights

        def arrived(number: int) -> bool:
            # a round that is put away is one of long ago, and most are handed in
            record = turn.state.rounds.get(number)
            return record is None or turn.index in record.updates

        feedback = self._feedback.setdefault(turn.state.address, ErrorFeedback())
        return feedback.added(weights, packing, number=turn.round, arrived=arrived)

    def _spent(self, turn: Turn) -> float | None:
        """ε of all that it has handed in, this round's update with it; what nobody saw has cost nothing."""
        privacy, given = self._data.privacy, turn.job.hyperparameters
        if privacy is None:
            return None
        earlier = (record for number, record in turn.state.rounds.items() if number < turn.round)
        rounds = 1 + sum(
            turn.index in record.commitments or turn.index in record.updates for record in earlier
        )
        steps = steps_of(samples=self._data.count, batch_size=given.batch_size, epochs=given.epochs)
        return privacy.epsilon(samples=self._data.count, batch_size=given.batch_size, steps=rounds * steps)

    async def _publish(self, work: Publish) -> bool:
        data = await self._services.journal.action(work.update.key)
        if data is None:
            raise UpdateLost
        await self._acting(work.state).publish(data, self._services.store)
        return True
