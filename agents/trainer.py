# SPDX-License-Identifier: Apache-2.0
"""The trainer: joins, trains on its own data, commits to its update and opens the commitment when it must."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from bcfl import registry
from bcfl.agents.actions import Action, Transact, View, Work
from bcfl.agents.behaviour import Conduct, Honest, Turn
from bcfl.agents.errors import UpdateLost
from bcfl.agents.objection import Finding, OwnLoss, Vet, Vetting, decide_objection
from bcfl.agents.permits import PermitSource
from bcfl.agents.ports import ContentStore, LearningEngine, Observer
from bcfl.agents.retrieval import Retrieval, schema_of
from bcfl.agents.spare_gas import after_the_last_act, after_the_round
from bcfl.chain.journal import ActionRecord, Journal
from bcfl.chain.outbox import ActionKey
from bcfl.contracts import calls
from bcfl.contracts.calls import Permit
from bcfl.contracts.commitments import commitment, salt_for
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import Kind, Phase
from bcfl.contracts.state import TaskState
from bcfl.errors import ContractError, RegistryError
from bcfl.models.errors import InvalidHyperparameters, MalformedUpdate, SchemaMismatch
from bcfl.models.training.job import Hyperparameters, SamplesRef, TrainingJob
from bcfl.seeds import Seeds
from bcfl.storage.content_id import cid_text, content_id
from bcfl.storage.errors import FetchError

__all__ = (
    "AllowStake",
    "Core",
    "Publish",
    "Train",
    "Trainer",
    "TrainerIdentity",
    "Update",
    "decide",
    "join",
    "take_part",
)

_UNUSABLE = (
    FetchError,
    MalformedUpdate,
    SchemaMismatch,
    InvalidHyperparameters,
    ContractError,
    RegistryError,
)


@dataclass(frozen=True, kw_only=True)
class TrainerIdentity:
    """Who a trainer is; ``turn`` makes it join when that many are members, None at once.

    Joining in turn gives members the same indices whatever node runs the task.
    """

    name: str
    address: Address
    chain_id: int
    turn: int | None = None


@dataclass(frozen=True, kw_only=True)
class AllowStake(Work):
    """Sign a permit for what joining takes: the stake, and in a consortium the bond."""

    task: Address
    token: Address
    amount: int


@dataclass(frozen=True, kw_only=True)
class Train(Work):
    """Train from the round's model; nothing leaves the trainer yet."""

    task: Address
    specification: ContentId
    start: ContentId
    max_update_size: int
    state: TaskState = field(compare=False)
    """What was public when it was wanted; the newest does not make it another work."""


@dataclass(frozen=True, kw_only=True)
class Publish(Work):
    """Put the update into the store: only once its commitment cannot be undone."""

    update: Update
    state: TaskState = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a training leaves: the content's id and the salt; the bytes are in the journal."""

    key: ActionKey
    content: ContentId
    salt: bytes


def decide(view: View, me: TrainerIdentity, results: Mapping[Work, Any]) -> list[Action]:
    """All that a trainer wants now."""
    state = view.seen
    if state is None or state.ended:
        return []
    index = state.index_of.get(me.address)
    if index is None:
        return join(view, state, me, results)
    if state.round == 0 or state.phase not in {Phase.TRAINING, Phase.REVEAL, Phase.CLOSING}:
        return []
    vetting, usable = decide_objection(view, state, index, results)
    return [*vetting, *take_part(view, state, index, me, results)] if usable else vetting


def join(view: View, state: TaskState, me: TrainerIdentity, results: Mapping[Work, Any]) -> list[Action]:
    """What somebody wants who is no member yet."""
    if view.final is None:
        return []  # a call that arrives before its task, after a reorganisation, would succeed and do nothing
    if state.phase >= Phase.CLOSING or len(state.active_members) >= state.config.capacity:
        return []
    if me.turn is not None and len(state.members) < me.turn:
        return []
    # Who judges in a consortium is bound as an evaluator is.
    deposit = state.config.stake + (state.config.bond if state.kind is Kind.CONSORTIUM else 0)
    permit = calls.NO_PERMIT
    if deposit:
        allow = AllowStake(round=0, task=state.address, token=state.token, amount=deposit)
        if allow not in results:
            return [allow]
        permit = results[allow]
    call = calls.join(state.address, me.address, permit=permit)
    # Whoever fills the task begins its first round.
    return [Transact(round=0, name="join", call=call, spare_gas=after_the_round(state))]


def take_part(
    view: View, state: TaskState, index: TrainerIndex, me: TrainerIdentity, results: Mapping[Work, Any]
) -> list[Action]:
    """What a member wants of a round's training: train and commit, then publish and open."""
    if state.phase not in {Phase.TRAINING, Phase.REVEAL}:
        return []
    train = Train(
        round=state.round,
        task=state.address,
        specification=state.config.specification,
        start=state.current.start_model,
        max_update_size=state.config.max_update_size,
        state=state,
    )
    if state.phase is Phase.TRAINING:
        return _contribute(state, index, me, train, results)
    return _open(view, state, index, me, train, results)


def _contribute(
    state: TaskState, index: TrainerIndex, me: TrainerIdentity, train: Train, results: Mapping[Work, Any]
) -> list[Action]:
    record = state.current
    if index not in record.cohort or index in record.commitments or index in record.updates:
        return []
    update: Update | None = results.get(train)
    if update is None:
        return [train]
    if not state.config.commit_reveal:
        publish = Publish(round=state.round, update=update, state=state)
        if publish not in results:
            return [train, publish]
        call = calls.submit(state.address, round_number=state.round, index=index, content=update.content)
        spare = after_the_last_act(state)
        return [train, Transact(round=state.round, name="submit", call=call, spare_gas=spare)]
    hidden = _hidden(state, index, me, update)
    call = calls.commit(state.address, round_number=state.round, index=index, commitment=hidden)
    evidence = {"commitment": hidden.hex()}
    spare = after_the_last_act(state)
    return [
        train,
        Transact(round=state.round, name="commit", call=call, evidence=evidence, spare_gas=spare),
    ]


def _hidden(state: TaskState, index: TrainerIndex, me: TrainerIdentity, update: Update) -> bytes:
    return commitment(
        chain_id=me.chain_id,
        task=state.address,
        round_number=state.round,
        index=index,
        content=update.content,
        salt=update.salt,
    )


def _committed_update(
    state: TaskState, index: TrainerIndex, me: TrainerIdentity, hidden: bytes, results: Mapping[Work, Any]
) -> Update | None:
    """The update that the commitment on chain hides.

    After a reorganisation the round may have begun anew from another model and a second update may be there; what
    was committed is what must be opened.
    """
    for work, result in results.items():
        if (
            isinstance(work, Train)
            and result is not None
            and work.round == state.round
            and _hidden(state, index, me, result) == hidden
        ):
            return cast("Update", result)
    return None


def _open(
    view: View,
    state: TaskState,
    index: TrainerIndex,
    me: TrainerIdentity,
    train: Train,
    results: Mapping[Work, Any],
) -> list[Action]:
    final = view.final
    entry = state.current.commitments.get(index)
    if entry is None or index in state.current.updates:
        return []
    # Until Reveal is final a reorganisation could show the update to others while they still commit.
    if final is None or final.phase is not Phase.REVEAL or final.round != state.round:
        return []
    update = _committed_update(state, index, me, entry.commitment, results)
    if update is None:
        return [train]  # after a restart: the journal gives it back without training
    publish = Publish(round=state.round, update=update, state=state)
    if publish not in results:
        return [train, publish]
    opening = calls.Opening(place=entry.place, content=update.content, salt=update.salt)
    entries = state.current.batches[entry.batch]
    call = calls.reveal(
        state.address, round_number=state.round, batch=entry.batch, entries=entries, openings=[opening]
    )
    evidence = {"cid": cid_text(update.content)}
    spare = after_the_last_act(state)
    return [
        train,
        publish,
        Transact(round=state.round, name="reveal", call=call, evidence=evidence, spare_gas=spare),
    ]


Core = Callable[[View, TrainerIdentity, Mapping[Work, Any]], list[Action]]


class Trainer:
    """A trainer's hands; each step is a method of its own, so that a behaviour can take its place.

    Args:
        identity: who it is.
        secret: 32 bytes that only it knows; salts come from it.
        samples: its data, which the engine has.
        seeds: its randomness.
        conduct: its behaviour, honest by default.
        vetting: checks evaluations; agents of one process share it.
        core: decides; a consortium's member has another one.
        role: what it is called in the event log.
    """

    def __init__(
        self,
        *,
        identity: TrainerIdentity,
        secret: bytes,
        samples: SamplesRef,
        sample_count: int,
        seeds: Seeds,
        engine: LearningEngine,
        store: ContentStore,
        retrieval: Retrieval,
        journal: Journal,
        permits: PermitSource,
        observer: Observer,
        conduct: Conduct | None = None,
        vetting: Vetting | None = None,
        core: Core = decide,
        role: str = "trainer",
    ) -> None:
        self.name = identity.name
        self.role = role
        self._core = core
        self.identity = identity
        self._conduct = conduct or Conduct()
        self._told: set[int] = set()
        self._secret = secret
        self._samples = samples
        self._sample_count = sample_count
        self._seeds = seeds
        self._engine = engine
        self._store = store
        self._retrieval = retrieval
        self._journal = journal
        self._permits = permits
        self._observer = observer
        self._vetting = vetting or Vetting(retrieval)
        self._own_loss = OwnLoss(engine=engine, samples=samples, count=sample_count)

    def decide(self, view: View, results: Mapping[Work, Any]) -> Sequence[Action]:
        """All that it wants now."""
        actions = self._core(view, self.identity, results)
        state = view.seen
        if state is None:
            return actions
        chosen = self._acting(state).decide(view, self.identity.address, actions, self._conduct.circle)
        self._release(actions, chosen)
        return chosen

    def _release(self, honest: Sequence[Action], chosen: Sequence[Action]) -> None:
        """Accomplices need not wait for the model of one who will not train."""
        for work in honest:
            if isinstance(work, Train) and work not in chosen:
                for circle in (self._conduct.circle, self._conduct.sight):
                    if circle is not None:
                        circle.share((work.round, work.start.digest), self.name, None)

    def _acting(self, state: TaskState) -> Honest:
        """The behaviour of the state's round; what misbehaves is told once a round, for whoever measures detection."""
        index = state.index_of.get(self.identity.address)
        acting = self._conduct.at(state, self.name, index)
        taking_part = state.round and index is not None and index in state.current.cohort
        if acting.misbehaves and taking_part and not state.ended and state.round not in self._told:
            self._told.add(state.round)
            self._tell("misbehaving", state.round)
        return acting

    async def perform(self, work: Work) -> Update | Permit | Finding | bool | None:
        """Do a piece of its work."""
        match work:
            case Train():
                try:
                    return await self._train(work)
                except _UNUSABLE as error:
                    # A round whose model or specification cannot be used is sat out: the task may mend itself.
                    self._tell("unusable", work.round, reason=str(error))
                    return None
            case Vet():
                return await self._vetting.vet(work, self._own_loss, secret=self._secret)
            case Publish():
                return await self._publish(work)
            case AllowStake():
                return await self._permits.permit(work.token, spender=work.task, amount=work.amount)
            case _:
                raise TypeError(f"A trainer does not know {work!r}.")

    async def _train(self, work: Train) -> Update | None:
        # The start is part of the key: after a reorganisation the round may begin from another model.
        key = ActionKey(self.name, work.task, work.round, f"update:{work.start.digest.hex()[:16]}")
        salt = salt_for(self._secret, work.task, work.round)
        recorded = await self._journal.action(key)
        if recorded is not None:
            return Update(key=key, content=content_id(recorded), salt=salt)
        specification = await self._retrieval.specification(work.specification)
        start = await self._retrieval.model(
            work.start, schema_of(specification), max_bytes=work.max_update_size
        )
        network = registry.create("network", specification.network.name, specification.network.parameters)
        state = work.state
        turn = Turn(
            name=self.name,
            index=state.index_of[self.identity.address],
            round=work.round,
            state=state,
            start=start,
            start_id=work.start,
            job=TrainingJob(
                network=network,
                hyperparameters=Hyperparameters(**specification.training),
                start=start,
                samples=self._samples,
                seed=self._seeds.integer("training", self.name, work.round),
            ),
            samples=self._sample_count,
            rng=np.random.default_rng(self._seeds.integer("behaviour", self.name, work.round)),
            steady_rng=lambda: np.random.default_rng(self._seeds.integer("behaviour", self.name)),
            engine=self._engine,
            retrieval=self._retrieval,
            circle=self._conduct.circle,
            sight=self._conduct.sight,
        )
        acting = self._conduct.at(state, self.name, turn.index)
        self._tell("training", work.round)
        try:
            weights = await acting.update(turn)
        finally:
            turn.share(None)  # accomplices need not wait for what will not come
        if weights is None:
            return None
        data = acting.encode(
            turn,
            weights,
            {
                "round": str(work.round),
                "samples": str(acting.claim(turn)),
                "start": work.start.digest.hex(),
            },
        )
        await self._journal.write(actions=[ActionRecord(key, data)])
        content = content_id(data)
        for result in turn.results[-1:]:
            self._tell(
                "trained", work.round, loss=result.train_loss, samples=self._sample_count, steps=result.steps
            )
        return Update(key=key, content=content, salt=salt)

    async def _publish(self, work: Publish) -> bool:
        data = await self._journal.action(work.update.key)
        if data is None:
            raise UpdateLost
        await self._acting(work.state).publish(data, self._store)
        return True

    def _tell(self, name: str, round_number: int, **evidence: Any) -> None:  # noqa: ANN401 - event log values
        self._observer.decided(
            agent=self.name, role=self.role, name=name, round_number=round_number, evidence=evidence
        )
