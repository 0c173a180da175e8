# SPDX-License-Identifier: Apache-2.0
"""A member that judges on samples of its own gets the numbers of those samples, whatever the executor."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.scoring.shapley import Shapley
from bcfl.models.training.engine import Engine


@pytest.mark.asyncio
@pytest.mark.parametrize("executor", ["threads", "processes"])
async def test_samples_added_for_each_member_are_those_at_its_indices(data, executor):
    network = Mlp()
    start, *updates = [initial_weights(network, seed) for seed in range(4)]
    held_out = {f"member-{place}": np.arange(place, 400, 5) for place in range(3)}
    async with Engine.start(executor=executor, workers=2) as engine:
        engine.add_samples("train", data.train)
        for name, indices in held_out.items():
            engine.add_samples(f"held-out:{name}", data.train.select(indices))
        seen = []
        for name, indices in held_out.items():
            key, weights = f"held-out:{name}", [0.5, 0.3, 0.2]
            own = await engine.coalition_evaluations(network, start, updates, weights, range(8), key)
            part = await engine.coalition_evaluations(
                network, start, updates, weights, range(8), "train", indices
            )
            assert own == part
            assert (await engine.evaluate(network, start, key)).samples == len(indices)
            scoring = ScoringRound(
                network=network, start=start, updates=tuple(updates), weights=tuple(weights), samples_key=key
            )
            seen.append(await Shapley().scores(scoring, engine))
    assert len(set(seen)) == 3
