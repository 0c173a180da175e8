# SPDX-License-Identifier: Apache-2.0
"""A crowd whose publisher names an aggregator: its models are the updates', whatever the evaluator would have named."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from bcfl import registry
from bcfl.agents.common.entries import network_of
from bcfl.agents.common.folding import encode_model
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.crowdsourcing import aggregator
from bcfl.agents.crowdsourcing.aggregator import Aggregator, decide
from bcfl.agents.hosting.programs import AggregatorProgram, OpenTask
from bcfl.agents.hosting.round_auditor import AuditedRounds, RoundAuditor
from bcfl.agents.runtime.actions import View
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.contracts.specification import EntryReference
from bcfl.models.networks.network import initial_weights
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import ContentNotFound

ME = Address(f"0x{0xA6:040x}")
EQUIVOCATOR = registry.create("judge", "equivocator", {"noise": 0.1})


class Heard:
    """What is told."""

    def __init__(self):
        self.told = []

    def decided(self, *, agent, role, name, round_number, evidence):
        self.told.append((agent, role, name, round_number, evidence))


def _services(made, heard, retrieval=None):
    return SimpleNamespace(
        engine=made.engine, store=made.store, retrieval=retrieval or Retrieval(made.store), observer=heard
    )


def _waiting(made):
    """The crowd's state as it was before its last round had a model: with an aggregator."""
    number = made.state.round - 1
    record = dataclasses.replace(made.state.rounds[number], model=None)
    return dataclasses.replace(
        made.state,
        config=dataclasses.replace(made.state.config, aggregator=ME),
        round=number,
        phase=Phase.AGGREGATION,
        model=record.start_model,
        rounds={**{n: one for n, one in made.state.rounds.items() if n < number}, number: record},
    )


async def _built(made, *, retrieval=None, heard=None):
    """What an aggregator names for the last round."""
    state = _waiting(made)
    (work,) = decide(View(seen=state, final=state, now=0), ME, {})
    hands = Aggregator(
        name="builder", account=ME, services=_services(made, heard or Heard(), retrieval=retrieval)
    )
    return await hands.perform(work)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rule", "defence"),
    [("fedavg", "none"), ("fedavg", "pipeline"), ("median", "none"), ("validated_trimmed_mean", "pipeline")],
)
async def test_its_model_is_the_one_that_an_honest_evaluator_has_found(crowd, rule, defence):
    async with crowd(trainers=5, aggregator=rule, defence=defence) as made:
        for _ in range(2):
            said = await made.round()
            heard = Heard()
            assert await _built(made, heard=heard) == said.model
            weights = {str(index): weight for index, weight in said.weights.items()}
            ((agent, role, name, number, evidence),) = heard.told
            assert (agent, role, name, number) == ("builder", "aggregator", "aggregated", said.round)
            assert evidence["weights"] == weights


@pytest.mark.asyncio
async def test_an_evaluator_s_own_model_is_not_taken(crowd):
    async with crowd(trainers=4) as made:
        said = await made.round(EQUIVOCATOR)
        built = await _built(made)
        assert built not in {said.model, said.start_model}
    async with crowd(trainers=4) as honest:
        assert (await honest.round()).model == built


@pytest.mark.asyncio
async def test_what_only_the_evaluator_can_tell_is_its_report_s(crowd):
    async with crowd(trainers=5, aggregator="fltrust") as made:
        said = await made.round()
        assert await _built(made) == said.model


class Without:
    """A store that does not have one content, for so many questions."""

    def __init__(self, store, content, times=10**9):
        self.store, self.content, self.times = store, content, times

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def get(self, content):
        if content == self.content and self.times:
            self.times -= 1
            raise ContentNotFound(cid_text(content))
        async for part in self.store.get(content):
            yield part


@pytest.mark.asyncio
@pytest.mark.parametrize("what", ["update", "report"])
async def test_what_cannot_be_had_yet_is_waited_for(crowd, monkeypatch, what):
    monkeypatch.setattr(aggregator, "_PAUSE_S", 0.01)
    async with crowd(trainers=4) as made:
        said = await made.round()
        record = made.state.rounds[1]
        missing = record.updates[2].content if what == "update" else record.report
        late = Without(made.store, missing, times=3)
        assert await _built(made, retrieval=Retrieval(late)) == said.model
        assert late.times == 0
        # and what never comes leaves the model that the round began with, whatever the report says
        monkeypatch.setattr(aggregator, "_PATIENCE_S", 0.1)
        assert await _built(made, retrieval=Retrieval(Without(made.store, missing))) == said.start_model


@pytest.mark.asyncio
async def test_a_rule_that_asks_for_the_evaluator_s_samples_may_not_come_to_anything(crowd):
    """What FLTrust cannot have come to is not taken either."""
    async with crowd(trainers=5, aggregator="fltrust") as made:
        said = await made.round(registry.create("judge", "equivocator", {"noise": 50.0}))
        assert await _built(made) == said.start_model


@pytest.mark.asyncio
async def test_of_an_evaluation_that_contradicts_itself_nothing_counts(crowd):
    async with crowd(trainers=4) as made:
        said = await made.round(report={"scores": dict.fromkeys(range(4), 7)})
        record = dataclasses.replace(made.state.rounds[1], scores=dict.fromkeys(range(4), 8))
        made.state = dataclasses.replace(made.state, rounds={**made.state.rounds, 1: record})
        assert await _built(made) == said.start_model


@pytest.mark.asyncio
async def test_with_a_server_optimiser_its_models_are_those_of_an_honest_evaluator(crowd):
    async with crowd(trainers=4) as made:
        made.specification = dataclasses.replace(made.specification, server_optimizer=EntryReference("adam"))
        await made.begin()
        for _ in range(3):
            said = await made.round()
            assert await _built(made) == said.model


@pytest.mark.asyncio
async def test_an_auditor_finds_an_aggregator_that_names_another_model_and_no_other(crowd):
    async with crowd(trainers=4) as made:
        for _ in range(3):
            await made.round()
        other = await made.store.put(encode_model(initial_weights(network_of(made.specification), 9), 2))
        rounds = dict(made.state.rounds)
        rounds[2] = dataclasses.replace(rounds[2], model=other)
        heard = Heard()
        state = dataclasses.replace(
            made.state, config=dataclasses.replace(made.state.config, aggregator=ME), rounds=rounds
        )
        auditor = RoundAuditor(
            name="watch", done=AuditedRounds(None), secret=b"s" * 32, services=_services(made, heard)
        )
        view = View(seen=state, final=state, now=0)
        while wanted := auditor.decide(view, {}):
            await auditor.perform(wanted[0])
        found = {number: evidence["findings"] for *_, number, evidence in heard.told}
        assert [len(found[number]) for number in (1, 2, 3)] == [0, 1, 0]
        assert found[2][0].startswith("model_mismatch: the aggregator named ")


@pytest.mark.asyncio
async def test_whose_task_it_is_not_is_said(crowd):
    async with crowd(trainers=3) as made:
        task = OpenTask(state=made.state, specification=made.specification)
        me = SimpleNamespace(name="builder", signer=SimpleNamespace(address=ME))
        program = AggregatorProgram()
        assert program.refuses(task, me) == f"{ME} is not its aggregator"
        named = dataclasses.replace(made.state, config=dataclasses.replace(made.state.config, aggregator=ME))
        assert program.refuses(OpenTask(state=named, specification=made.specification), me) is None
        ours = OpenTask(state=object.__new__(ConsortiumState), specification=made.specification)
        assert "bcfl agent member" in program.refuses(ours, me)
