# SPDX-License-Identifier: Apache-2.0
"""The module ``federation``, and what every attack on tensors or data is held to."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import anyio
import pytest

from bcfl.models.scoring.fitted import ShapleyFitted
from bcfl.models.training.engine import Engine


@pytest.fixture(scope="session")
def federation():
    """pytest's importlib mode puts no folder of tests on the import path."""
    name = "bcfl_test_federation"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("federation.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def simulated(federation):
    """``simulated(kind, name, parameters, **options)``: the outcomes, one a seed; without a name nobody attacks."""

    async def run(*what, **options):
        async with Engine.start(executor="threads", workers=1) as engine:
            return await federation.outcomes(engine, *what, **options)

    return lambda *what, **options: anyio.run(lambda: run(*what, **options))


@pytest.fixture(scope="session")
def honest(simulated):
    """The outcomes without an attack."""
    return simulated()


@pytest.fixture(scope="session")
def harm(federation, simulated, honest):
    """``harm(name, parameters, metric, **options)``: its mean and the lower end of its 95 % interval.

    accuracy: what the final model loses against the same seed without an attack. success: the share of the test samples
    that a targeted attack wanted wrong and got, beyond those that are wrong without it. unearned: pay relative to an honest
    trainer's, less the work done for it relative to an honest trainer's.
    """

    def measured(kind, name, parameters, metric, **options):
        if metric == "unearned":
            options = {"score": ShapleyFitted(), **options}
        found = simulated(kind, name, parameters, **options)
        match metric:
            case "accuracy":
                values = [
                    before.accuracy - after.accuracy for before, after in zip(honest, found, strict=True)
                ]
            case "success":
                idle = simulated(kind, name, parameters, **{**options, "since": federation.ROUNDS + 1})
                values = [after.success - before.success for before, after in zip(idle, found, strict=True)]
            case "unearned":
                values = [outcome.captured - outcome.work for outcome in found]
        return federation.interval(values)[:2]

    return measured
