# SPDX-License-Identifier: Apache-2.0
"""The wrappers that turn any attack on the update, and any attack on the data, into a trainer's behaviour."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from bcfl.agents.common.behaviour import Honest, Turn
from bcfl.agents.common.circle import Circle
from bcfl.contracts.ids import ContentId
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.errors import BcflError
from bcfl.models.attacks.attack import Attack, DataAttack, Outlook, Scene
from bcfl.models.attacks.vectors import Vector
from bcfl.models.training.job import SamplesRef
from bcfl.models.weights import Schema, Weights

__all__ = ("DataPoisoner", "Poisoner", "outlook")

_STEPS = 2
"""Global steps that attacks look back at."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Poisoner(Honest):
    """Trains as much as its attack does and hands in what the attack makes of it."""

    attack: Attack

    @property
    def misbehaves(self) -> bool:  # type: ignore[override] # a constant of most behaviours
        """Always, in the rounds of its plan in which its attack is ready."""
        return True

    @property
    def sees_everybody(self) -> bool:  # type: ignore[override] # a constant of most behaviours
        """What its attack says."""
        return self.attack.knowledge == "omniscient"

    def acts(self, state: TaskState, name: str, circle: Circle | None) -> bool:
        """Attacks that need something public or somebody else's work say when they have it."""
        return self.attack.ready(outlook(state, name, circle))

    async def update(self, turn: Turn) -> Weights | None:
        """The crafted model: start + update, rounded to float32."""
        start = turn.start.vector.astype(np.float64)
        full = _mini_batches(turn)
        effort = self.attack.effort(full)
        own = await _work(turn, start, effort, full)
        peers = {turn.name: own}
        if self.attack.knowledge in {"colluders", "omniscient"}:
            turn.share(_model(turn, own))
            shared = await turn.shared(everybody=self.sees_everybody)
            peers |= {name: _update(model, start) for name, model in shared.items() if name != turn.name}
        crafted = await self.attack.craft(await self._scene(turn, start, own, peers))
        if crafted is None:  # then it is honest, and has to do the work that is left
            return _model(turn, own) if effort >= full else await turn.train()
        return _model(turn, crafted)

    async def _scene(self, turn: Turn, start: Vector, own: Vector, peers: dict[str, Vector]) -> Scene:
        names = sorted(peers)
        public = self.attack.knowledge != "self"
        handed_in = [
            record
            for number, record in sorted(turn.state.rounds.items())
            if turn.index in record.updates and number < turn.round
        ]
        past, past_models = await _past(turn, handed_in)

        async def revealed() -> tuple[Vector, ...]:
            return await _revealed(turn) if public else ()

        async def loss(update: Vector) -> float:
            samples = turn.job.samples
            found = await turn.engine.evaluate(
                turn.job.network, _model(turn, update), samples.key, samples.indices
            )
            return found.loss

        return Scene(
            outlook=outlook(turn.state, turn.name, turn.circle),
            start=start,
            own=own,
            peers=tuple(peers[name] for name in names),
            place=names.index(turn.name),
            steps=await _steps(turn) if public else (),
            past=past,
            past_models=past_models,
            handed_in=len(handed_in),
            revealed=revealed,
            loss=loss,
            schema=turn.start.schema,
            rng=turn.rng,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataPoisoner(Honest):
    """Trains honestly on data that its attack has changed, and multiplies the update as its attack wants."""

    attack: DataAttack

    @property
    def misbehaves(self) -> bool:  # type: ignore[override] # a constant of most behaviours
        """Always, in the rounds of its plan."""
        return True

    async def update(self, turn: Turn) -> Weights | None:
        """The model after training on the poisoned data."""
        job = turn.job
        # The same randomness every round, so that the workers keep one poisoned set and not one a round.
        samples = self.attack.poison(
            turn.engine.samples(job.samples), _classes(turn.start.schema), turn.steady_rng()
        )
        key = f"{turn.name}:{samples.digest()[:16]}"
        turn.engine.add_samples(key, samples)
        model = await turn.train(dataclasses.replace(job, samples=SamplesRef(key)))
        turn.share(model)
        factor = self.attack.factor(outlook(turn.state, turn.name, turn.circle))
        if factor == 1:
            return model
        return _model(turn, _update(model, turn.start.vector.astype(np.float64)) * factor)


def outlook(state: TaskState, name: str, circle: Circle | None) -> Outlook:
    """What a trainer knows of the state's round before it does anything in it."""
    training = () if circle is None else circle.training(state)
    alone = name not in training
    return Outlook(
        round=state.round,
        moved=len(_start_models(state)) > 1,
        cohort=len(state.current.cohort),
        colluders=1 if alone else len(training),
        place=0 if alone else training.index(name),
    )


def _start_models(state: TaskState) -> list[ContentId]:
    """The global models that rounds began from, oldest first, each named once where rounds left it as it was."""
    found: list[ContentId] = []
    for number in range(1, state.round + 1):
        model = state.rounds[number].start_model
        if not found or model != found[-1]:
            found.append(model)
    return found


def _classes(schema: Schema) -> int:
    """A classifier ends with the bias, or the weight, of one output for each class."""
    return schema.tensors[-1].shape[0]


def _update(model: Weights, start: Vector) -> Vector:
    update: Vector = model.vector.astype(np.float64) - start
    return update


def _model(turn: Turn, update: Vector) -> Weights:
    with np.errstate(over="ignore", invalid="ignore"):  # an attack may overflow on purpose
        vector = (turn.start.vector.astype(np.float64) + update).astype(np.float32)
    return Weights(turn.start.schema, vector)


def _mini_batches(turn: Turn) -> int:
    samples, hyperparameters = turn.job.samples.indices, turn.job.hyperparameters
    size = turn.samples if samples is None else len(samples)
    return -(-size // hyperparameters.batch_size) * hyperparameters.epochs


async def _work(turn: Turn, start: Vector, effort: int, full: int) -> Vector:
    if effort <= 0:
        return np.zeros_like(start)
    if effort >= full:
        return _update(await turn.train(), start)
    return _update(await turn.train(dataclasses.replace(turn.job, most_steps=effort)), start)


async def _steps(turn: Turn) -> tuple[Vector, ...]:
    """What the newest rounds that changed the global model changed in it, newest last."""
    models = [
        (await turn.model(content)).vector.astype(np.float64)
        for content in _start_models(turn.state)[-_STEPS - 1 :]
    ]
    return tuple(after - before for before, after in itertools.pairwise(models))


async def _past(turn: Turn, records: list[RoundRecord]) -> tuple[tuple[Vector, ...], tuple[Vector, ...]]:
    """The trainer's own oldest and newest revealed update that can still be had, and their models."""
    updates, models = [], []
    for record in records[:1] + records[1:][-1:]:
        begin = await turn.model(record.start_model)
        model = await _update_model(turn, record.updates[turn.index].content, begin)
        if model is not None:
            updates.append(_update(model, begin.vector.astype(np.float64)))
            models.append(model.vector.astype(np.float64))
    return tuple(updates), tuple(models)


async def _revealed(turn: Turn) -> tuple[Vector, ...]:
    """Everybody's updates of the last round that has any."""
    for number in range(turn.round - 1, 0, -1):
        record = turn.state.rounds[number]
        if not record.updates:
            continue
        begin = await turn.model(record.start_model)
        models = [
            await _update_model(turn, update.content, begin) for _, update in sorted(record.updates.items())
        ]
        start = begin.vector.astype(np.float64)
        return tuple(_update(model, start) for model in models if model is not None)
    return ()


async def _update_model(turn: Turn, content: ContentId, start: Weights) -> Weights | None:
    """A revealed update; None: it cannot be had or read, as others misbehave too."""
    try:
        model, _ = await turn.retrieval.update(
            content,
            turn.start.schema,
            max_bytes=turn.state.config.max_update_size,
            packing=None if turn.packing is None else dataclasses.replace(turn.packing, start=start),
        )
    except BcflError:
        return None
    return model
