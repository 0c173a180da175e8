# SPDX-License-Identifier: Apache-2.0
"""Server optimisers do what Reddi et al. (2020), algorithm 2, say, number by number, and remember what they need."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bcfl.models.aggregation.server import FedAdam, FedYogi, Momentum, memory_schema
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import decode, encode
from bcfl.registry import create

SCHEMA = Schema((TensorSpec("a", (2, 2)), TensorSpec("b", (3,))))
MEANS = np.random.default_rng(4).normal(size=(5, SCHEMA.size)).astype(np.float32)


def weights(vector):
    return Weights(SCHEMA, np.asarray(vector, dtype=np.float32))


def followed(optimizer):
    """The models of five rounds, each memory gone through its bytes as between agents."""
    model, memory, models = weights(np.zeros(SCHEMA.size)), None, []
    for mean in MEANS:
        model, memory = optimizer.step(model, weights(mean), memory)
        models.append(model.vector)
        if memory is not None:
            memory, _ = decode(encode(memory, {}), memory_schema(optimizer, SCHEMA))
    return np.array(models)


def scalar(rule):
    """The same by plain numbers, one parameter after the other."""
    found = np.zeros((len(MEANS), SCHEMA.size), dtype=np.float32)
    for place in range(SCHEMA.size):
        w, state = 0.0, {}
        for number, mean in enumerate(MEANS[:, place]):
            w = float(np.float32(rule(w, float(mean) - w, state)))
            state = {key: float(np.float32(value)) for key, value in state.items()}
            found[number, place] = w
    return found


def momentum(w, way, state):
    state["m"] = 0.8 * state.get("m", 0.0) + way
    return w + 0.5 * state["m"]


def adam(w, way, state):
    state["m"] = 0.9 * state.get("m", 0.0) + (1.0 - 0.9) * way
    state["v"] = 0.99 * state.get("v", 0.01 * 0.01) + (1.0 - 0.99) * way * way
    return w + 0.1 * state["m"] / (math.sqrt(state["v"]) + 0.01)


def yogi(w, way, state):
    v = state.get("v", 0.01 * 0.01)
    state["m"] = 0.9 * state.get("m", 0.0) + (1.0 - 0.9) * way
    state["v"] = v - (1.0 - 0.99) * way * way * math.copysign(1.0, v - way * way)
    return w + 0.1 * state["m"] / (math.sqrt(state["v"]) + 0.01)


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        (Momentum(learning_rate=0.5, beta=0.8), momentum),
        (FedAdam(learning_rate=0.1, tau=0.01), adam),
        (FedYogi(learning_rate=0.1, tau=0.01), yogi),
    ],
    ids=["momentum", "adam", "yogi"],
)
def test_each_is_its_published_rule(optimizer, rule):
    found, expected = followed(optimizer), scalar(rule)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert np.array_equal(found, followed(optimizer))


def test_without_momentum_and_with_a_full_step_the_mean_is_the_next_model():
    assert np.allclose(followed(Momentum(beta=0.0)), MEANS, atol=1e-6)
    plain = create("server_optimizer", "none")
    assert np.array_equal(followed(plain), MEANS)
    assert plain.memories == ()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("momentum", {"beta": 1.0}),
        ("adam", {"tau": 0.0}),
        ("yogi", {"learning_rate": -1.0}),
        ("adam", {"beta2": -0.1}),
    ],
)
def test_what_cannot_be_is_refused(name, wrong):
    with pytest.raises(Exception, match="learning_rate and tau must be above 0"):
        create("server_optimizer", name, wrong)


OPTIMIZERS = [Momentum(learning_rate=0.5, beta=0.8), FedAdam(), FedYogi(learning_rate=0.1, tau=0.01)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_whoever_cannot_repeat_a_round_sees_whether_model_and_memory_belong_together(optimizer):
    start, memory = weights(np.zeros(SCHEMA.size)), None
    for mean in MEANS:
        model, after = optimizer.step(start, weights(mean), memory)
        assert optimizer.follows(start, model, memory, after)
        moved = weights(model.vector + np.float32(0.01))
        assert not optimizer.follows(start, moved, memory, after)
        for place in range(len(after.vector)):
            bent = after.vector.copy()
            bent[place] += np.float32(1.0)
            assert not optimizer.follows(start, model, memory, Weights(after.schema, bent)), place
        assert not optimizer.follows(start, model, memory, None)
        start, memory = model, after


@pytest.mark.parametrize("optimizer", OPTIMIZERS[1:], ids=str)
def test_a_hostile_mean_leaves_a_memory_that_others_can_read(optimizer):
    mean = weights(np.full(SCHEMA.size, 3e20))
    start = weights(np.zeros(SCHEMA.size))
    model, memory = optimizer.step(start, mean, None)
    read, _ = decode(encode(memory, {}), memory_schema(optimizer, SCHEMA))
    assert np.isfinite(read.vector).all()
    assert optimizer.follows(start, model, None, read)
    assert np.isfinite(optimizer.step(model, weights(MEANS[0]), read)[0].vector).all()


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1.0, 1e6, 1e18])
@pytest.mark.parametrize(
    "optimizer", [*OPTIMIZERS, FedAdam(beta1=0.0, tau=1e-8), FedYogi(beta1=0.99)], ids=str
)
def test_no_honest_step_is_taken_for_another(optimizer, scale):
    rng = np.random.default_rng(12)
    start, memory = weights(rng.normal(size=SCHEMA.size)), None
    for number in range(40):
        step = scale * 10 ** rng.uniform(-3, 1) * (number % 7 > 0)
        model, after = optimizer.step(
            start, weights(start.vector + step * rng.normal(size=SCHEMA.size)), memory
        )
        assert optimizer.follows(start, model, memory, after), number
        start, memory = model, after
