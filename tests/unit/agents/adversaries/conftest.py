# SPDX-License-Identifier: Apache-2.0
"""A trainer's turn without a chain, a store or training."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.agents.common.behaviour import Turn
from bcfl.contracts.ids import TrainerIndex
from bcfl.models.weights import Schema, TensorSpec, Weights

SCHEMA = Schema((TensorSpec("layer.weight", (3, 4)), TensorSpec("layer.bias", (3,))))


class _Engine:
    """Training adds one to every weight."""

    def __init__(self):
        self.trained = 0

    async def train(self, job):
        self.trained += 1
        return type("Result", (), {"weights": Weights(SCHEMA, job + np.float32(1))})()


@pytest.fixture
def turn_of(story):
    """``turn_of(name, ...)``: a turn in round 1 of a task with three members; its engine counts."""

    def make(name="bob", *, index=0, circle=None, state=None, seed=0, samples=100):
        state = state or story().enrol(3).start().state
        start = Weights(SCHEMA, np.linspace(-1, 1, SCHEMA.size, dtype=np.float32))
        return Turn(
            name=name,
            index=TrainerIndex(index),
            round=state.round,
            state=state,
            start=start,
            start_id=state.current.start_model,
            job=start.vector,
            samples=samples,
            rng=np.random.default_rng(seed),
            steady_rng=lambda: np.random.default_rng(seed),
            engine=_Engine(),
            retrieval=None,
            circle=circle,
        )

    return make
