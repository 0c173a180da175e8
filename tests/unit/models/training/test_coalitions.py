# SPDX-License-Identifier: Apache-2.0
"""A coalition's model is made of its members, however many there are and whatever the others sent."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.networks.mlp import Mlp
from bcfl.models.training.coalition_models import CoalitionModels
from bcfl.models.training.job import CoalitionsJob, SamplesRef
from bcfl.models.weights import Schema, TensorSpec, Weights

_SCHEMA = Schema((TensorSpec("w", (6,)),))


def _weights(values):
    return Weights(_SCHEMA, np.asarray(values, dtype=np.float32))


def _job(members, *, fixed=True, broken=None, value=np.inf):
    draw = np.random.Generator(np.random.PCG64(members))
    updates = [_weights(draw.normal(size=6)) for _ in range(members)]
    if broken is not None:
        updates[broken] = _weights(np.full(6, value))
    return CoalitionsJob(
        network=Mlp(),
        start=_weights(draw.normal(size=6)),
        updates=tuple(updates),
        proportions=tuple(draw.dirichlet(np.ones(members))) if fixed else None,
        coalitions=(),
        samples=SamplesRef("test"),
    )


def _directly(job, members):
    start = job.start.vector.astype(np.float64)
    shares = job.proportions or (1 / len(members),) * len(job.updates)
    return start + sum(shares[member] * (job.updates[member].vector - start) for member in members)


def _mask(members):
    return sum(1 << member for member in members)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("count", [1, 4, 31, 32, 33, 100])
def test_everybody_everybody_but_one_and_one_alone(count, fixed):
    job = _job(count, fixed=fixed)
    models = CoalitionModels(job)
    everybody = list(range(count))
    for members in (everybody, everybody[:-1], everybody[1:], [count // 2]):
        if members:
            assert models.model(_mask(members)).vector == pytest.approx(_directly(job, members), abs=1e-6)


def test_the_empty_coalition_is_the_start_itself():
    job = _job(3)
    assert CoalitionModels(job).model(0) is job.start


def test_what_was_built_before_changes_no_bit():
    job = _job(70)
    warm = CoalitionModels(job)
    coalitions = [(1 << 70) - 1 ^ 1 << member for member in (0, 69, 35)]
    for coalition in reversed(coalitions):
        warm.model(coalition)
    for coalition in coalitions:
        assert (
            warm.model(coalition).vector.tobytes() == CoalitionModels(job).model(coalition).vector.tobytes()
        )


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_a_broken_update_changes_no_coalition_without_it(value):
    job, sound = _job(40, broken=7, value=value), _job(40)
    without = (1 << 40) - 1 ^ 1 << 7
    assert (
        CoalitionModels(job).model(without).vector.tobytes()
        == CoalitionModels(sound).model(without).vector.tobytes()
    )
    CoalitionModels(job).model(without | 1 << 7)
