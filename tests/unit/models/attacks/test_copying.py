# SPDX-License-Identifier: Apache-2.0
"""Plagiarists hand in the leader's work in four disguises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bcfl.models.attacks.attack import Outlook
from bcfl.models.attacks.copying import Plagiarist, permuted
from bcfl.models.networks.cnn import MnistCnn, MnistCnnSmall
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import build, initial_weights, load_weights
from bcfl.models.weights import Schema, TensorSpec, Weights

LEADER, COPIER = [3.0, 4.0], [0.0, 0.0]


def _outlook(place, *, moved=True):
    return Outlook(round=2, moved=moved, cohort=10, colluders=3, place=place)


@pytest.mark.parametrize("mode", ["exact", "noisy", "blended", "permuted"])
def test_the_leader_is_honest_and_the_others_do_no_work(mode):
    attack = Plagiarist(mode=mode)
    assert not attack.ready(_outlook(0))
    assert attack.ready(_outlook(1))
    assert attack.ready(_outlook(2))
    assert attack.effort(40) == 0
    assert attack.ready(_outlook(1, moved=False)) is (mode != "blended")


@pytest.mark.asyncio
async def test_an_exact_copy(scene):
    given = scene(COPIER, peers=[LEADER, COPIER], place=1)
    assert (await Plagiarist().craft(given)).tolist() == LEADER


@pytest.mark.asyncio
async def test_without_the_leaders_model_there_is_nothing_to_copy(scene):
    assert await Plagiarist().craft(scene(COPIER)) is None
    assert await Plagiarist().craft(scene(COPIER, peers=[COPIER, COPIER], place=1)) is None


@pytest.mark.asyncio
async def test_noise_is_relative_to_the_leaders_update_and_each_copiers_own(scene):
    leader = np.full(10_000, 2.0)
    crafted = [
        await Plagiarist(mode="noisy", sigma=0.3).craft(
            scene(np.zeros(10_000), peers=[leader, np.zeros(10_000)], place=1, seed=seed)
        )
        for seed in (1, 2)
    ]
    for update in crafted:
        assert np.linalg.norm(update - leader) == pytest.approx(0.3 * np.linalg.norm(leader), rel=0.05)
    assert crafted[0].tolist() != crafted[1].tolist()


@pytest.mark.asyncio
async def test_a_blend_is_half_the_last_global_step(scene):
    given = scene(COPIER, peers=[LEADER, COPIER], place=1, steps=[[1.0, 0.0]])
    assert (await Plagiarist(mode="blended", sigma=0).craft(given)).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "network", [Mlp(inputs=12, hidden=8, classes=3), MnistCnn(), MnistCnnSmall()], ids=str
)
@pytest.mark.asyncio
async def test_a_permuted_model_computes_the_same_from_other_weights(scene, network):
    start, trained = initial_weights(network, 0), initial_weights(network, 1)
    leader = trained.vector.astype(np.float64) - start.vector
    given = scene(
        np.zeros_like(leader),
        start=start.vector,
        peers=[leader, np.zeros_like(leader)],
        place=1,
        schema=start.schema,
    )
    crafted = await Plagiarist(mode="permuted").craft(given)
    copy = Weights(start.schema, (start.vector + crafted).astype(np.float32))
    changed = {name for name, tensor in copy.tensors().items() if (tensor != trained.tensors()[name]).any()}
    assert {"fc1.weight", "fc1.bias", "fc2.weight"} <= changed
    assert not {name for name in changed if name.startswith("conv")}
    inputs = torch.randn((5, 12) if isinstance(network, Mlp) else (5, 1, 28, 28))
    module = build(network).eval()
    load_weights(module, trained)
    expected = module(inputs)
    load_weights(module, copy)
    torch.testing.assert_close(module(inputs), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "shapes",
    [
        [("fc.weight", (3, 4)), ("fc.bias", (3,))],
        [("a.weight", (5, 4)), ("b.weight", (3, 10))],  # something between reshapes
        [("a.weight", (5, 4)), ("norm", (7,)), ("b.weight", (3, 5))],
        [("conv.weight", (4, 1, 3, 3)), ("conv.bias", (4,)), ("fc.weight", (2, 4))],
    ],
)
def test_a_network_without_two_such_layers_in_a_row_is_left_as_it_is(shapes):
    schema = Schema(tuple(TensorSpec(name, shape) for name, shape in shapes))
    model = np.arange(schema.size, dtype=np.float64)
    assert permuted(model, schema, np.random.default_rng(0)).tolist() == model.tolist()
