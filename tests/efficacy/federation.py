# SPDX-License-Identifier: Apache-2.0
"""An undefended federation in one process: real training, real attacks, real scores and FedAvg, but no chain.

It shows an attack the same as ``agents.adversaries.poisoners`` does, so that what it can do is measured in seconds.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from dataclasses import dataclass, field

import numpy as np

from bcfl.models.aggregation.fold import fold
from bcfl.models.attacks.attack import Outlook, Scene
from bcfl.models.data.partition import Dirichlet
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from bcfl.registry import create
from bcfl.seeds import Seeds

__all__ = ("Federation", "Outcome", "interval", "outcomes")

TRAINERS, COLLUDERS, ROUNDS = 10, 3, 6
CLASSES, SAMPLES_EACH, NOISE, VALIDATION = 10, 50, 0.8, 200
NETWORK = Mlp(hidden=16)
HYPERPARAMETERS = Hyperparameters(learning_rate=0.05, momentum=0.5, batch_size=10, epochs=2)

SEEDS = range(8)
T_OF_EIGHT = 2.365  # the 97.5 % quantile of Student's distribution with 7 degrees of freedom


@dataclass(frozen=True)
class Outcome:
    """What a run left.

    Attributes:
        accuracy: of the final model on the test samples.
        success: its accuracy on what a targeted attack wants.
        captured: what the adversaries are paid in the rounds in which they act, each round with the same budget divided
            by positive scores, relative to their share of the trainers; 1: as the honest.
        work: the mini-batches that they train in those rounds, relative to the honest.
    """

    accuracy: float
    success: float
    captured: float
    work: float


@dataclass
class _Member:
    name: str
    samples: SamplesRef
    attack: object = None
    updates: list = field(default_factory=list)
    models: list = field(default_factory=list)


class Federation:
    """One run; all of it follows from the seed. The first ``colluders`` trainers attack, from round ``since`` on.

    Nobody is paid without a ``score``.
    """

    def __init__(
        self,
        engine,
        seed,
        *,
        attack=None,
        score=None,
        rounds=ROUNDS,
        colluders=COLLUDERS,
        since=1,
        alpha=100.0,
    ):
        self.engine, self.seeds, self.key = engine, Seeds(seed), str(seed)
        self.rounds, self.since, self.score = rounds, since, score
        self.colluders = colluders if attack else 0
        self.goal = getattr(attack, "goal", None)
        data = _data(seed)
        engine.add_samples(f"{seed}:train", data.train)
        engine.add_samples(f"{seed}:test", data.test)
        self.test = data.test
        validation, self.examination = np.split(np.arange(len(data.test)), [VALIDATION])
        engine.add_samples(f"{seed}:validation", data.test.select(validation))
        shares = Dirichlet(alpha=alpha, min_size=10).split(data.train, TRAINERS, seed)
        self.members = [
            _Member(
                f"t{place}", SamplesRef(f"{seed}:train", share), attack if place < self.colluders else None
            )
            for place, share in enumerate(shares)
        ]
        self.models = [initial_weights(NETWORK, seed)]
        self.captured, self.worked = [], []

    async def run(self):
        for number in range(1, self.rounds + 1):
            await self._round(number)
        found = await self.engine.evaluate(NETWORK, self.models[-1], f"{self.key}:test", self.examination)
        return Outcome(
            accuracy=found.accuracy,
            success=await self._success(),
            captured=statistics.mean(self.captured) if self.captured else 0.0,
            work=statistics.mean(self.worked) if self.worked else 1.0,
        )

    async def _success(self):
        wanted = self.goal(self.test.select(self.examination)) if self.goal else None
        if wanted is None:
            return 0.0
        key = f"{self.key}:{wanted.digest()}"
        self.engine.add_samples(key, wanted)
        return (await self.engine.evaluate(NETWORK, self.models[-1], key)).accuracy

    async def _round(self, number):
        outlook, acting, own, batches = {}, [], {}, {}
        for place, member in enumerate(self.members):
            outlook[member.name] = Outlook(
                round=number,
                moved=number > 1,
                cohort=TRAINERS,
                colluders=self.colluders if member.attack else 1,
                place=place if member.attack else 0,
            )
            if member.attack and number >= self.since and self._ready(member, outlook[member.name]):
                acting.append(member)
        for member in self.members:
            attack = member.attack if member in acting else None
            own[member.name], batches[member.name] = await self._work(
                member, number, attack, outlook[member.name]
            )
        updates = dict(own)
        for member in acting:
            if hasattr(member.attack, "craft"):
                crafted = await member.attack.craft(self._scene(member, number, outlook[member.name], own))
                assert crafted is not None, "an attack that is ready found nothing to abuse"
                updates[member.name] = crafted
        models = [self._model(updates[member.name]) for member in self.members]
        for member, model in zip(self.members, models, strict=True):
            member.updates.append(updates[member.name])
            member.models.append(model.vector.astype(np.float64))
        if acting and self.score:
            await self._pay(acting, models, batches)
        self.models.append(fold(models, [1] * TRAINERS))

    async def _pay(self, acting, models, batches):
        scoring = ScoringRound(
            network=NETWORK,
            start=self.models[-1],
            updates=tuple(models),
            weights=(1 / TRAINERS,) * TRAINERS,
            samples_key=f"{self.key}:validation",
        )
        scores = await self.score.scores(scoring, self.engine)
        merits = {m.name: max(0.0, score) for m, score in zip(self.members, scores, strict=True)}
        theirs, every = sum(merits[member.name] for member in acting), sum(merits.values())
        self.captured.append(theirs / every * TRAINERS / len(acting) if every else 0.0)
        self.worked.append(statistics.mean(batches[member.name] / _full(member) for member in acting))

    def _ready(self, member, outlook):
        return not hasattr(member.attack, "ready") or member.attack.ready(outlook)

    async def _work(self, member, number, attack, outlook):
        """The update after training, and the mini-batches that it took."""
        if hasattr(attack, "poison"):
            rng = np.random.default_rng(self.seeds.integer("poison", member.name))
            samples = attack.poison(self.engine.samples(member.samples), CLASSES, rng)
            key = f"{self.key}:{member.name}:{samples.digest()}"
            self.engine.add_samples(key, samples)
            update, batches = await self._train(member, number, SamplesRef(key))
            return update * attack.factor(outlook), batches
        effort = _full(member) if attack is None else attack.effort(_full(member))
        if effort == 0:
            return np.zeros(self.models[-1].schema.size), 0
        return await self._train(member, number, member.samples, effort)

    async def _train(self, member, number, samples, most_steps=None):
        start = self.models[-1]
        job = TrainingJob(
            network=NETWORK,
            hyperparameters=HYPERPARAMETERS,
            start=start,
            samples=samples,
            seed=self.seeds.integer("training", member.name, number),
            most_steps=most_steps,
        )
        result = await self.engine.train(job)
        return result.weights.vector.astype(np.float64) - start.vector, result.steps

    def _model(self, update):
        start = self.models[-1]
        return Weights(start.schema, (start.vector.astype(np.float64) + update).astype(np.float32))

    def _scene(self, member, number, outlook, own):
        knowledge = member.attack.knowledge
        circle = [other for other in self.members if other.attack]
        seen = {"colluders": circle, "omniscient": self.members}.get(knowledge, [member])
        recent = [model.vector.astype(np.float64) for model in self.models[-3:]]
        public = knowledge != "self"

        async def revealed():
            return tuple(other.updates[-1] for other in self.members if other.updates) if public else ()

        async def loss(update):
            samples = member.samples
            found = await self.engine.evaluate(NETWORK, self._model(update), samples.key, samples.indices)
            return found.loss

        return Scene(
            outlook=outlook,
            start=self.models[-1].vector.astype(np.float64),
            own=own[member.name],
            peers=tuple(own[other.name] for other in seen),
            place=seen.index(member),
            steps=tuple(after - before for before, after in itertools.pairwise(recent)) if public else (),
            past=tuple(member.updates[:1] + member.updates[1:][-1:]),
            past_models=tuple(member.models[:1] + member.models[1:][-1:]),
            handed_in=len(member.updates),
            revealed=revealed,
            loss=loss,
            schema=self.models[-1].schema,
            rng=np.random.default_rng(self.seeds.integer("behaviour", member.name, number)),
        )


async def outcomes(engine, kind=None, name=None, parameters=None, **options):
    """The outcome of one run a seed, with the attack of that kind and name or without any."""
    attack = None if name is None else create(kind, name, parameters or {})
    return [await Federation(engine, seed, attack=attack, **options).run() for seed in SEEDS]


def interval(values):
    """The mean, and the two ends of its 95 % interval over the seeds."""
    assert len(values) == len(SEEDS)
    mean = statistics.mean(values)
    half = T_OF_EIGHT * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def _full(member):
    return -(-len(member.samples.indices) // HYPERPARAMETERS.batch_size) * HYPERPARAMETERS.epochs


@functools.cache
def _data(seed):
    return Synthetic(
        samples=TRAINERS * SAMPLES_EACH, test_samples=600 + VALIDATION, noise=NOISE, seed=seed
    ).load()
