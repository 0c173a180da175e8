# SPDX-License-Identifier: Apache-2.0
"""The stages of a trainer and of an evaluator that a behaviour may take over; the honest ones are the bases.

An adversary is an honest agent with one of its stages replaced. Everything it knows comes through its ``Turn``: its
own data and past, what is public, and what its circle shares before it is public.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from bcfl.agents.common.circle import Circle
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.fleet.availability import ALWAYS, Attendance
from bcfl.agents.runtime.actions import Action, View
from bcfl.agents.runtime.ports import ContentStore, LearningEngine
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.state import TaskState
from bcfl.models.training.job import TrainingJob, TrainingResult
from bcfl.models.weights import Weights
from bcfl.models.wire.packed import Packing
from bcfl.models.wire.tensors import encode
from bcfl.seeds import Seeds

__all__ = (
    "HONEST",
    "HONEST_JUDGE",
    "Conduct",
    "Honest",
    "HonestJudge",
    "JudgeConduct",
    "Judgement",
    "Plan",
    "Turn",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """One trainer's round: what its behaviour may know and use.

    Attributes:
        name: the trainer's.
        index: its index in the task.
        round: the number of the round.
        state: the task as everybody knows it.
        start: the round's global model.
        start_id: its content id.
        job: the training that an honest trainer would do.
        samples: how many samples it has.
        rng: randomness of this trainer in this round alone.
        steady_rng: makes a generator that is the same in every round.
        engine: trains and evaluates.
        retrieval: fetches what is public.
        circle: accomplices, if any.
        sight: everybody's models, for attacks that are said to know all.
        packing: how the task wants updates; None: as they are.
    """

    name: str
    index: TrainerIndex
    round: int
    state: TaskState
    start: Weights
    start_id: ContentId
    job: TrainingJob
    samples: int
    rng: np.random.Generator
    steady_rng: Callable[[], np.random.Generator]
    engine: LearningEngine
    retrieval: Retrieval
    circle: Circle | None = None
    sight: Circle | None = None
    packing: Packing | None = None
    results: list[TrainingResult] = field(default_factory=list)
    """What training gave in this turn, newest last."""

    async def train(self, job: TrainingJob | None = None) -> Weights:
        """The model after honest training, or after another job."""
        result = await self.engine.train(job or self.job)
        self.results.append(result)
        return result.weights

    async def model(self, content: ContentId) -> Weights:
        """A global model or an update that is public."""
        limit = self.state.config.max_update_size
        return await self.retrieval.model(content, self.start.schema, max_bytes=limit)

    def share(self, weights: Weights | None) -> None:
        """Give the own honest model to the circle; only the first call of a round counts."""
        for circle in (self.circle, self.sight):
            if circle is not None:
                circle.share((self.round, self.start_id.digest), self.name, weights)

    async def shared(self, *, everybody: bool = False) -> dict[str, Weights]:
        """The honest models of this round, by name: of those in the circle who train, or of all who do."""
        circle = self.sight if everybody else self.circle
        if circle is None:
            return {}
        return await circle.gathered((self.round, self.start_id.digest), circle.training(self.state))


class Honest:
    """A trainer's stages as an honest trainer does them; behaviours override those that they abuse."""

    misbehaves: ClassVar[bool] = False
    sees_everybody: ClassVar[bool] = False
    """Whether it is given everybody's models of a round: then the honest have to hand theirs over."""

    def acts(self, state: TaskState, name: str, circle: Circle | None) -> bool:  # noqa: ARG002 - for descendants
        """Whether the behaviour has anything to abuse in this round; else the trainer is honest in it. Pure."""
        return self.misbehaves

    def decide(
        self,
        view: View,  # noqa: ARG002 - for descendants
        me: Address,  # noqa: ARG002
        actions: Sequence[Action],
        circle: Circle | None = None,  # noqa: ARG002
    ) -> Sequence[Action]:
        """The chain stage: what it wants, given what an honest trainer wants. Pure."""
        return actions

    async def update(self, turn: Turn) -> Weights | None:
        """The training stage: the model to hand in, None to hand in nothing."""
        weights = await turn.train()
        turn.share(weights)
        return weights

    def claim(self, turn: Turn) -> int:
        """How many samples it says that it trained on."""
        return turn.samples

    def encode(self, turn: Turn, weights: Weights, metadata: Mapping[str, str]) -> bytes:
        """The bytes to commit to."""
        return encode(weights, metadata) if turn.packing is None else turn.packing.encode(weights, metadata)

    async def publish(self, data: bytes, store: ContentStore) -> None:
        """The storage stage: make the bytes available."""
        await store.put(data)


HONEST = Honest()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When a behaviour acts: rounds ``start`` to ``stop``, every so many, with a probability each.

    ``warmup`` honest rounds that the trainer has handed in an update come first.
    """

    start: int = 1
    stop: int | None = None
    every: int = 1
    probability: float = 1.0
    warmup: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Conduct:
    """A trainer's behaviour with its plan: which stages count in a round, and when it is there at all."""

    behaviour: Honest = HONEST
    plan: Plan = field(default_factory=Plan)
    seeds: Seeds = field(default_factory=lambda: Seeds(0))
    circle: Circle | None = None
    sight: Circle | None = None
    attendance: Attendance = ALWAYS

    def at(self, state: TaskState, name: str, index: TrainerIndex | None) -> Honest:
        """The behaviour that acts in the state's round: its own, or the honest one. Pure."""
        plan, number = self.plan, state.round
        if not self.behaviour.misbehaves:
            return self.behaviour
        if number == 0:
            return self.behaviour  # before the first round only the chain stage can be abused
        if number < plan.start or (plan.stop is not None and number > plan.stop):
            return HONEST
        if (number - plan.start) % plan.every:
            return HONEST
        done = sum(index in record.updates for n, record in state.rounds.items() if n < number)
        if done < plan.warmup:
            return HONEST
        draw = self.seeds.integer("plan", name, number) / 2**63
        if draw >= plan.probability or not self.behaviour.acts(state, name, self.circle):
            return HONEST
        return self.behaviour


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What an evaluator is about to post: scores (10⁻⁹) of every revealed member, sanctions, a consortium's probe."""

    scores: Mapping[TrainerIndex, int]
    sanctions: tuple[tuple[TrainerIndex, int, int], ...] = ()
    """Index, rounds (0 ejects) and reason code of each."""
    probe: bytes = b""
    """32 bytes that show that every update was run; in a consortium alone."""


class HonestJudge:
    """An evaluator's stages as an honest evaluator does them."""

    misbehaves: ClassVar[bool] = False

    def decide(self, view: View, me: Address, actions: Sequence[Action]) -> Sequence[Action]:  # noqa: ARG002
        """The chain stage: what it wants, given what an honest evaluator wants. Pure."""
        return actions

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,  # noqa: ARG002 - for descendants
        friends: frozenset[TrainerIndex],  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Judgement:
        """What to post in place of an honest evaluation of the state's round. ``friends``: its circle's members."""
        return judgement

    def name_model(self, model: bytes, *, rng: np.random.Generator) -> bytes:  # noqa: ARG002 - for descendants
        """The aggregation stage: the model that it names, given the one that the scores and updates lead to."""
        return model

    async def publish(self, model: bytes, store: ContentStore) -> ContentId:
        """Make the model available."""
        return await store.put(model)


HONEST_JUDGE = HonestJudge()


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgeConduct:
    """An evaluator's behaviour and its friends."""

    judge: HonestJudge = HONEST_JUDGE
    seeds: Seeds = field(default_factory=lambda: Seeds(0))
    circle: Circle | None = None

    def friends(self, state: TaskState) -> frozenset[TrainerIndex]:
        """The indices of its circle's members."""
        return frozenset(self.circle.indices(state).values()) if self.circle is not None else frozenset()
