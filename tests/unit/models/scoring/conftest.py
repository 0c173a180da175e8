# SPDX-License-Identifier: Apache-2.0
"""A made-up engine: the value of a coalition is any function of its bit mask."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.weights import Weights

_NETWORK = Mlp(inputs=2, hidden=0, classes=2)
_START = initial_weights(_NETWORK, 0)


@dataclass
class MadeUpEngine:
    """Losses are 10 − value, accuracies the values; remembers every batch that it was asked for."""

    value: object
    batches: list = field(default_factory=list)
    weights: list = field(default_factory=list)

    @property
    def asked(self):
        return [coalition for batch in self.batches for coalition in batch]

    async def coalition_evaluations(self, network, start, updates, weights, coalitions, samples_key):
        self.batches.append(list(coalitions))
        self.weights.append(weights)
        return [
            Evaluation(
                loss=10 - self.value(coalition),
                accuracy=self.value(coalition),
                probability=self.value(coalition),
                balanced_probability=self.value(coalition),
                samples=1,
            )
            for coalition in coalitions
        ]

    async def coalition_losses(self, *given):
        return [evaluation.loss for evaluation in await self.coalition_evaluations(*given)]


@pytest.fixture
def make_engine():
    return MadeUpEngine


@pytest.fixture
def make_round():
    def make(members, *, content=0):
        """``content`` makes another round of the same size."""
        updates = tuple(
            Weights(_START.schema, _START.vector + np.float32(content + member)) for member in range(members)
        )
        return ScoringRound(
            network=_NETWORK,
            start=_START,
            updates=updates,
            weights=(1 / members,) * members if members else (),
            samples_key="test",
        )

    return make
