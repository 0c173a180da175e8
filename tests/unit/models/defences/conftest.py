# SPDX-License-Identifier: Apache-2.0
"""A tiny federation whose rounds a defence judges, with real training and no chain."""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager

import numpy as np
import pytest

from bcfl.models.data.synthetic import Synthetic
from bcfl.models.defences.defence import DefenceRound, Member, Memory
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights

MADE = Synthetic(samples=2000, test_samples=300, classes=4, form="blobs", features=30).load()
NETWORK = Mlp(inputs=30, hidden=24, classes=4)
CLIENTS = 8


def _blurred(samples, seed):
    """A fifth of the targets drawn anew: a task that is not learnt in a round."""
    draw = np.random.default_rng(seed)
    targets = samples.targets.copy()
    anew = draw.random(len(targets)) < 0.2
    targets[anew] = draw.integers(0, 4, anew.sum())
    return dataclasses.replace(samples, targets=targets)


TRAIN, VALIDATION = _blurred(MADE.train, 1), _blurred(MADE.test, 2)


class Federation:
    """Rounds of ``CLIENTS`` honest members, some of whose updates a test replaces."""

    def __init__(self, engine):
        self.engine = engine
        self.start = initial_weights(NETWORK, 5)
        self.memory = Memory()
        self.number = 0
        self.suspended = set()
        self.gone = set()

    async def trained(self):
        """The honest models of the next round, by index."""
        self.number += 1
        shares = np.array_split(np.arange(2000), CLIENTS)
        models = {}
        for index, share in enumerate(shares):
            job = TrainingJob(
                network=NETWORK,
                hyperparameters=Hyperparameters(learning_rate=0.02, batch_size=10, epochs=1),
                start=self.start,
                samples=SamplesRef("train", share),
                seed=100 * self.number + index,
            )
            models[index] = (await self.engine.train(job)).weights
        return models

    def shifted(self, update):
        """The start model with an update."""
        return Weights(self.start.schema, (self.start.vector + update).astype(np.float32))

    async def judge(self, defence, models, *, positions=None, invalid=None, absent=()):
        """The verdict on those models; the global model moves by the mean of what was kept."""
        out = self.suspended | self.gone | set(invalid or {}) | set(absent)
        order = positions or {index: index for index in models}
        verdict = await defence.judge(
            DefenceRound(
                number=self.number,
                network=NETWORK,
                samples_key="validation",
                start=self.start,
                members=tuple(
                    Member(index=index, model=models[index], position=order[index])
                    for index in sorted(models)
                    if index not in out
                ),
                invalid=invalid or {},
                absent=frozenset(absent),
                suspended=frozenset(self.suspended),
            ),
            self.memory,
            self.engine,
        )
        self.memory = verdict.memory
        self.gone |= set(verdict.eject)
        self.suspended = (self.suspended - set(verdict.eject)) | set(verdict.suspend)
        if verdict.models:
            mean = np.mean([model.vector.astype(np.float64) for model in verdict.models.values()], axis=0)
            self.start = Weights(self.start.schema, mean.astype(np.float32))
        return verdict


@pytest.fixture
def federation():
    @asynccontextmanager
    async def opened():
        async with Engine.start(executor="threads") as engine:
            engine.add_samples("train", TRAIN)
            engine.add_samples("validation", VALIDATION)
            yield Federation(engine)

    return opened
