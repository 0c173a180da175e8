# SPDX-License-Identifier: Apache-2.0
"""Nobody objects to an honest evaluation, whatever the rule; and where training diverges nobody is blamed."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator

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


@pytest.mark.asyncio
async def test_what_the_terms_let_go_of_is_not_judged_anew(crowd):
    """By an evaluator without a memory: nobody would be found to have handed in anything then."""
    async with crowd(trainers=5, defence="pipeline") as made:
        for _ in range(5):
            await made.round()
        number = made.state.round - 1
        updates = {n: {one.content for one in made.state.rounds[n].updates.values()} for n in range(1, 6)}

        async def looked_at(specification):
            asked = set()

            class Store:
                def __getattr__(self, name):
                    return getattr(made.store, name)

                def get(self, content):
                    asked.add(content)
                    return made.store.get(content)

            anew = RoundEvaluator(
                engine=made.engine, retrieval=Retrieval(Store()), samples_key="validation", samples=60
            )
            found = await anew.evaluate(
                specification=specification,
                rounds=made.state.rounds,
                round_number=number,
                max_update_size=made.state.config.max_update_size,
            )
            assert found.sanctions == ()
            return {n for n, contents in updates.items() if contents & asked}

        assert await looked_at(made.specification) == {1, 2, 3, 4, 5}
        assert await looked_at(dataclasses.replace(made.specification, kept_updates=2)) == {3, 4, 5}
