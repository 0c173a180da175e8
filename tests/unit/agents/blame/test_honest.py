# SPDX-License-Identifier: Apache-2.0
"""Nobody objects to an honest evaluation, whatever the rule; and where training diverges nobody is blamed."""

from __future__ import annotations

import pytest

from .rules import AGGREGATORS, DEFENCES, named


@pytest.mark.parametrize("trainers", [3, 12])
@pytest.mark.parametrize("defence", DEFENCES)
@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=named)
@pytest.mark.asyncio
async def test_nobody_objects_to_an_honest_evaluation(crowd, aggregator, defence, trainers):
    async with crowd(trainers=trainers, aggregator=aggregator, defence=defence) as made:
        for _ in range(3):
            await made.round()
            assert await made.reasons() == {None}


@pytest.mark.parametrize("defence", DEFENCES)
@pytest.mark.parametrize("aggregator", ["fedavg", {"name": "fedavg", "by": "score"}, "median"], ids=named)
@pytest.mark.asyncio
async def test_nor_where_each_checks_a_sample_of_many(crowd, aggregator, defence):
    async with crowd(trainers=40, aggregator=aggregator, defence=defence) as made:
        for _ in range(3):
            await made.round()
            assert await made.reasons() == {None}


@pytest.mark.parametrize("defence", ["none", "pipeline"])
@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=named)
@pytest.mark.asyncio
async def test_training_that_diverges_is_nobodys_fault(crowd, aggregator, defence):
    async with crowd(trainers=5, aggregator=aggregator, defence=defence, learning_rate=20.0) as made:
        for _ in range(2):
            await made.round()
            found = await made.findings()
            assert not any(finding is not None and finding.blames for finding in found.values())
            assert await made.check.repeats(made.work(), secret=b"successor")
            if all(found.values()):
                made.revert()
