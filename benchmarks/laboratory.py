# SPDX-License-Identifier: Apache-2.0
"""Rounds of a federation in one process: real data, training, attacks, defence, scores and aggregation, but no chain.

What a defence does to the honest and to cheats shows here in seconds, so that constants can be found and ideas compared
over many amounts of work before a sweep shows the chosen ones on whole runs.

    python -m benchmarks.laboratory --steps 20 120 240 --seeds 10 11

prints how fresh the honest and those who did nothing are, who is refused and what equals are paid, for each amount of work.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import numpy as np

from bcfl.models.aggregation.aggregator import AggregationRound
from bcfl.models.aggregation.weights import proportions
from bcfl.models.attacks.attack import Outlook, Scene
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.defences.defence import Defence, DefenceRound, Member, Memory, Verdict
from bcfl.models.defences.pipeline import Pipeline
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from bcfl.registry import create
from bcfl.seeds import Seeds

__all__ = ("Outcome", "Setting", "Trainer", "run")

VESTING = 3


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One federation; ``dataset``, ``network``, ``partition``, ``score``, ``aggregator`` and ``attack`` name entries."""

    seed: int
    rounds: int = 6
    trainers: int = 8
    dataset: tuple[str, Mapping] = ("mnist", {})
    network: tuple[str, Mapping] = ("mnist_cnn_small", {})
    partition: tuple[str, Mapping] = ("equal", {"samples_per_client": 500})
    shares: tuple[float, ...] = ()
    """Of a partition by size."""
    training: Mapping = field(
        default_factory=lambda: {"learning_rate": 0.05, "momentum": 0.9, "batch_size": 50, "epochs": 2}
    )
    validation: int = 1000
    score: tuple[str, Mapping] = ("shapley_fitted", {})
    aggregator: tuple[str, Mapping] = ("validated_trimmed_mean", {})
    attack: tuple[str, Mapping] | None = None
    cheats: int = 0

    @property
    def honest(self) -> range:
        """Indices of the honest; cheats come first."""
        return range(self.cheats, self.trainers)


@dataclass
class Trainer:
    """What became of one."""

    words: dict[int, str] = field(default_factory=dict)
    """Why it was not paid, by round; nothing where it was in the game."""
    scores: dict[int, float] = field(default_factory=dict)
    factors: dict[int, float] = field(default_factory=dict)
    """By which the defence multiplied the value to get the score."""
    evidence: dict[int, Mapping[str, float]] = field(default_factory=dict)
    suspended: list[int] = field(default_factory=list)
    ejected: int | None = None

    @property
    def pay(self) -> float:
        """In units of the value; what had not vested is lost."""
        last = self.ejected or 10**9
        return sum(max(0.0, score) for number, score in self.scores.items() if number < last - VESTING)


@dataclass
class Outcome:
    """A whole run: its trainers by index, and the accuracy and validation loss after each round."""

    setting: Setting
    trainers: list[Trainer]
    accuracies: list[float]
    losses: list[float]

    @property
    def pay(self) -> np.ndarray:
        """Of each honest trainer."""
        return np.array([self.trainers[index].pay for index in self.setting.honest])

    @property
    def refused(self) -> list[tuple[int, int, str]]:
        """Honest trainer-rounds without a place in the game: round, index, word."""
        return [
            (number, index, word)
            for index in self.setting.honest
            for number, word in self.trainers[index].words.items()
        ]

    @property
    def cheats_share(self) -> float:
        """Of all pay."""
        theirs = sum(self.trainers[index].pay for index in range(self.setting.cheats))
        every = theirs + float(self.pay.sum())
        return theirs / every if every else 0.0


_DATA: dict[str, Dataset] = {}


def _dataset(setting: Setting, data_dir: Path | None) -> Dataset:
    key = repr(setting.dataset)
    if key not in _DATA:
        _DATA[key] = create("dataset", setting.dataset[0], dict(setting.dataset[1])).load(data_dir)
    return _DATA[key]


async def run(engine: Engine, setting: Setting, defence: Defence, *, data_dir: Path | None = None) -> Outcome:
    """One run; all of it follows from the setting."""
    return await _Federation(engine, setting, defence, data_dir).run()


class _Federation:
    def __init__(self, engine: Engine, setting: Setting, defence: Defence, data_dir: Path | None) -> None:
        self.engine, self.setting, self.defence = engine, setting, defence
        self.seeds = Seeds(setting.seed)
        data = _dataset(setting, data_dir)
        self.classes = data.train.classes
        name = repr(setting.dataset)
        engine.add_samples(f"{name}:train", data.train)
        chosen = np.random.default_rng(setting.seed).permutation(len(data.test))[: setting.validation]
        self.key, self.train_key = f"{name}:{setting.seed}:{setting.validation}", f"{name}:train"
        engine.add_samples(self.key, data.test.select(np.sort(chosen)))
        parameters = dict(setting.partition[1])
        if setting.shares:
            parameters["shares"] = setting.shares
        partition = create("partition", setting.partition[0], parameters)
        split = partition.split(data.train, setting.trainers, setting.seed)
        self.parts = [SamplesRef(self.train_key, part) for part in split]
        self.network = create("network", setting.network[0], dict(setting.network[1]))
        self.training = Hyperparameters(**setting.training)
        self.attack = self.data_attack = None
        if setting.attack:
            kind = (
                "data_attack" if setting.attack[0] in {"label_flip", "low_quality", "backdoor"} else "attack"
            )
            setattr(self, kind, create(kind, setting.attack[0], dict(setting.attack[1])))
        self.models = [initial_weights(self.network, setting.seed)]
        self.trainers = [Trainer() for _ in range(setting.trainers)]
        self.updates: list[list[np.ndarray]] = [[] for _ in self.trainers]
        self.revealed: tuple[np.ndarray, ...] = ()
        self.memory = Memory()
        self.out_until = [0] * setting.trainers

    async def run(self) -> Outcome:
        accuracies, losses = [], []
        for number in range(1, self.setting.rounds + 1):
            await self._round(number)
            found = await self.engine.evaluate(self.network, self.models[-1], self.key)
            accuracies.append(found.accuracy)
            losses.append(found.loss)
        return Outcome(self.setting, self.trainers, accuracies, losses)

    async def _round(self, number: int) -> None:
        active = [i for i, one in enumerate(self.trainers) if one.ejected is None]
        here = [i for i in active if self.out_until[i] < number]
        models = {i: self._model(update) for i, update in (await self._handed_in(number, here)).items()}
        order = np.random.default_rng(self.seeds.integer("order", number)).permutation(here)
        aggregator = create("aggregator", self.setting.aggregator[0], dict(self.setting.aggregator[1]))
        weights = aggregator.game_weights([len(self.parts[i].indices) for i in here])
        made = DefenceRound(
            number=number,
            network=self.network,
            samples_key=self.key,
            start=self.models[-1],
            members=tuple(
                Member(
                    index=i,
                    model=models[i],
                    position=int(np.flatnonzero(order == i)[0]),
                    weight=weight,
                )
                for i, weight in zip(here, weights, strict=True)
            ),
            invalid={},
            absent=frozenset(),
            suspended=frozenset(set(active) - set(here)),
        )
        verdict = await self.defence.judge(made, self.memory, self.engine)
        self.memory = verdict.memory
        await self._pay(number, verdict)
        for index, word in verdict.rejected.items():
            if index not in verdict.scored:
                self.trainers[index].words[number] = word
        for index, found in verdict.evidence.items():
            self.trainers[index].evidence[number] = found
        for index in list(verdict.eject)[: max(1, len(active) // 4)]:
            self.trainers[index].ejected = number
        for index, (rounds, _) in verdict.suspend.items():
            self.out_until[index] = number + rounds
            self.trainers[index].suspended.append(number)
        self.models.append(await self._aggregated(verdict))

    async def _pay(self, number: int, verdict: Verdict) -> None:
        members = sorted(verdict.scored)
        if not members:
            return
        aggregator = create("aggregator", self.setting.aggregator[0], dict(self.setting.aggregator[1]))
        counts = [len(self.parts[i].indices) for i in members]
        score = create("score", self.setting.score[0], dict(self.setting.score[1]))
        values = await score.scores(
            ScoringRound(
                network=self.network,
                start=self.models[-1],
                updates=tuple(verdict.scored[i] for i in members),
                weights=proportions(aggregator.game_weights(counts)),
                samples_key=self.key,
            ),
            self.engine,
        )
        for index, value in zip(members, values, strict=True):
            self.trainers[index].factors[number] = verdict.factors.get(index, 1.0)
            self.trainers[index].scores[number] = value * self.trainers[index].factors[number]

    async def _aggregated(self, verdict: Verdict) -> Weights:
        async def loss(weights: Weights) -> float:
            return (await self.engine.evaluate(self.network, weights, self.key)).loss

        members = sorted(verdict.models)
        aggregator = create("aggregator", self.setting.aggregator[0], dict(self.setting.aggregator[1]))
        made = AggregationRound(
            start=self.models[-1],
            updates=tuple(verdict.models[i] for i in members),
            samples=tuple(len(self.parts[i].indices) for i in members),
            scores=(0.0,) * len(members),
            loss=loss,
            root=None,
        )
        return (await aggregator.aggregate(made)).model

    async def _handed_in(self, number: int, here: list[int]) -> dict[int, np.ndarray]:
        circle = [i for i in here if i < self.setting.cheats]
        outlook = Outlook(round=number, moved=number > 1, cohort=len(here), colluders=max(1, len(circle)))
        acting = [
            i
            for i in circle
            if self.attack is not None
            and self.attack.ready(dataclasses.replace(outlook, place=circle.index(i)))
        ]
        own = {i: await self._work(number, i, i in acting, outlook) for i in here}
        found = dict(own)
        for i in acting:
            crafted = await self.attack.craft(
                self._scene(number, i, dataclasses.replace(outlook, place=circle.index(i)), own, circle)
            )
            if crafted is None:
                crafted = await self._train(number, i, self.parts[i], None)
            found[i] = crafted
        for i in here:
            self.updates[i].append(found[i])
        self.revealed = tuple(found[i] for i in here)
        return found

    async def _work(self, number: int, index: int, acts: bool, outlook: Outlook) -> np.ndarray:
        if self.data_attack is not None and index < self.setting.cheats:
            rng = np.random.default_rng(self.seeds.integer("poison", index))
            samples: Samples = self.data_attack.poison(
                self.engine.samples(self.parts[index]), self.classes, rng
            )
            key = f"{self.key}:{samples.digest()}"
            self.engine.add_samples(key, samples)
            return await self._train(number, index, SamplesRef(key), None) * self.data_attack.factor(outlook)
        full = -(-len(self.parts[index].indices) // self.training.batch_size) * self.training.epochs
        effort = self.attack.effort(full) if acts else full
        if effort == 0:
            return np.zeros(self.models[-1].schema.size)
        return await self._train(number, index, self.parts[index], effort)

    async def _train(self, number: int, index: int, samples: SamplesRef, most: int | None) -> np.ndarray:
        job = TrainingJob(
            network=self.network,
            hyperparameters=self.training,
            start=self.models[-1],
            samples=samples,
            seed=self.seeds.integer("training", index, number),
            most_steps=most,
        )
        trained = (await self.engine.train(job)).weights
        return trained.vector.astype(np.float64) - self.models[-1].vector

    def _model(self, update: np.ndarray) -> Weights:
        start = self.models[-1]
        return Weights(start.schema, (start.vector.astype(np.float64) + update).astype(np.float32))

    def _scene(
        self, number: int, index: int, outlook: Outlook, own: Mapping[int, np.ndarray], circle: list[int]
    ) -> Scene:
        seen = {"colluders": circle, "omniscient": sorted(own)}.get(self.attack.knowledge, [index])
        public = self.attack.knowledge != "self"
        past = self.updates[index]
        steps = tuple(
            after.vector.astype(np.float64) - before.vector
            for before, after in itertools.pairwise(self.models[-3:])
        )

        async def revealed() -> tuple[np.ndarray, ...]:
            return self.revealed if public else ()

        async def loss(update: np.ndarray) -> float:
            samples = self.parts[index]
            return (
                await self.engine.evaluate(self.network, self._model(update), samples.key, samples.indices)
            ).loss

        return Scene(
            outlook=outlook,
            start=self.models[-1].vector.astype(np.float64),
            own=own[index],
            peers=tuple(own[i] for i in seen),
            place=seen.index(index),
            steps=steps if public else (),
            past=tuple(past[:1] + past[1:][-1:]),
            past_models=(),
            handed_in=len(past),
            revealed=revealed,
            loss=loss,
            schema=self.models[-1].schema,
            rng=np.random.default_rng(self.seeds.integer("behaviour", index, number)),
        )


ATTACKS: dict[str, tuple[str, Mapping] | None] = {
    "nobody": None,
    "noisy copies": ("plagiarist", {"mode": "noisy", "sigma": 0.3}),
    "very noisy copies": ("plagiarist", {"mode": "noisy", "sigma": 1.0}),
    "last step and noise": ("delta_weights", {"sigma": 1.0}),
    "old updates": ("stale_resubmit", {}),
}
CHEATS, BATCH, EPOCHS = 3, 50, 2


async def _shown(settings: Mapping[str, list[Setting]], data_dir: Path | None) -> None:
    print(
        "steps  attack               honest, least fresh   cheats, most fresh   refused   least ÷ mean   best ÷ mean"
    )
    async with Engine.start(executor="threads", workers=2) as engine:
        for title, ones in settings.items():
            outcomes = [
                await run(engine, setting, Pipeline(sanctions=False), data_dir=data_dir) for setting in ones
            ]
            honest = [x for outcome in outcomes for x in _freshness(outcome, outcome.setting.honest)]
            # a circle's first works like anybody, and in the first round there is nothing to replay
            idle = [
                x for outcome in outcomes for x in _freshness(outcome, range(1, outcome.setting.cheats), 2)
            ]
            refused = sum(len(outcome.refused) for outcome in outcomes)
            ratios = np.concatenate([outcome.pay / outcome.pay.mean() for outcome in outcomes])
            print(
                f"{title}{min(honest):19.1f}   {max(idle) if idle else float('nan'):18.1f}   "
                f"{refused:3}/{len(honest):<4}  {ratios.min():12.2f}  {ratios.max():12.2f}",
                flush=True,
            )


def _freshness(outcome: Outcome, indices: range, first: int = 1) -> list[float]:
    told = (outcome.trainers[index].evidence.items() for index in indices)
    return [found["freshness"] for rounds in told for number, found in rounds if number >= first]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 20, 120, 240])
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11])
    parser.add_argument("--attacks", nargs="+", default=list(ATTACKS), choices=list(ATTACKS))
    parser.add_argument("--data-dir", type=Path)
    chosen = parser.parse_args()
    settings = {
        f"{steps:5}  {attack:20}": [
            Setting(
                seed=seed,
                partition=("equal", {"samples_per_client": steps * BATCH // EPOCHS}),
                attack=ATTACKS[attack],
                cheats=CHEATS if ATTACKS[attack] else 0,
            )
            for seed in chosen.seeds
        ]
        for steps in chosen.steps
        for attack in chosen.attacks
    }
    anyio.run(_shown, settings, chosen.data_dir)


if __name__ == "__main__":
    main()
