# SPDX-License-Identifier: Apache-2.0
"""A crowd that trains, is evaluated and checks its evaluator, with real training and real evaluations but no chain."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from bcfl.agents.common.behaviour import HONEST_JUDGE, Judgement
from bcfl.agents.common.folding import encode_model
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.agents.crowdsourcing.objecting.evaluation_check import CheckEvaluation, EvaluationCheck, OwnLoss
from bcfl.agents.crowdsourcing.sanctions import applicable
from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.crowd_state import CrowdRound, CrowdState
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ZERO_ADDRESS, Address
from bcfl.contracts.phases import Phase
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.contracts.state import MemberState, UpdateRecord
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.wire.tensors import encode
from bcfl.storage.memory import MemoryStore

SHAPE = {"inputs": 8, "hidden": 6, "classes": 3}
NETWORK = Mlp(**SHAPE)
MADE = Synthetic(samples=600, test_samples=60, classes=3, form="blobs", features=8).load()
LIMIT = 100_000


def entry(given):
    """A name, or a mapping of a name and parameters."""
    given = {"name": given} if isinstance(given, str) else dict(given)
    return EntryReference(given.pop("name"), given)


class Crowd:
    """So many trainers and one evaluator."""

    def __init__(
        self, engine, *, trainers, aggregator="fedavg", defence="none", learning_rate=0.05, limit=64
    ):
        self.engine = engine
        self.store = MemoryStore()
        self.trainers = trainers
        self.rate = learning_rate
        self.shares = np.array_split(np.arange(len(MADE.train.targets)), trainers)
        self.claims = [str(len(share)) for share in self.shares]
        self.specification = Specification(
            title="t",
            network=EntryReference("mlp", SHAPE),
            training={"learning_rate": learning_rate, "batch_size": 10, "epochs": 1},
            score=EntryReference("step"),
            aggregator=entry(aggregator),
            defence=entry(defence),
            tensors=tuple((tensor.name, tensor.shape) for tensor in NETWORK.schema().tensors),
            sample_limit=max(limit, len(self.shares[0])),
        )
        self.evaluator = RoundEvaluator(
            engine=engine, retrieval=Retrieval(self.store), samples_key="validation", samples=60
        )

    async def begin(self):
        self.check = EvaluationCheck(Retrieval(self.store))
        genesis = await self.store.put(encode_model(initial_weights(NETWORK, 7), 0))
        config = TaskConfig(
            token=ZERO_ADDRESS,
            publisher=ZERO_ADDRESS,
            specification=await self.store.put(self.specification.encode()),
            genesis=genesis,
            rounds=9,
            capacity=self.trainers,
            min_trainers=1,
            max_update_size=LIMIT,
            schedule=Schedule(),
            round_budget=1,
        )
        members = {
            index: MemberState(account=Address(f"0x{index + 1:040x}"), stake=0)
            for index in range(self.trainers)
        }
        self.state = CrowdState(
            address=Address("0x" + "a" * 40),
            publisher=ZERO_ADDRESS,
            token=ZERO_ADDRESS,
            config=config,
            budget=1,
            evaluators=(),
            escrow=1,
            model=genesis,
            phase=Phase.TRAINING,
            members=members,
        )
        self._start()
        return self

    def _start(self):
        number = self.state.round + 1
        members = {
            index: dataclasses.replace(member, suspended_until=None)
            if member.suspended_until is not None and member.suspended_until <= number
            else member
            for index, member in self.state.members.items()
        }
        out = tuple(index for index, member in members.items() if member.suspended_until is not None)
        record = CrowdRound(
            number=number,
            start_model=self.state.model,
            cohort=tuple(i for i, member in members.items() if member.active and i not in out),
            suspended_before=out,
        )
        self.state = dataclasses.replace(
            self.state, round=number, members=members, rounds={**self.state.rounds, number: record}
        )

    def _record(self, number, **changes):
        record = dataclasses.replace(self.state.rounds[number], **changes)
        self.state = dataclasses.replace(self.state, rounds={**self.state.rounds, number: record})
        return record

    async def _train(self, index):
        start = await Retrieval(self.store).model(
            self.state.current.start_model, NETWORK.schema(), max_bytes=LIMIT
        )
        job = TrainingJob(
            network=NETWORK,
            hyperparameters=Hyperparameters(**self.specification.training),
            start=start,
            samples=SamplesRef("train", self.shares[index]),
            seed=100 * self.state.round + index,
        )
        return (await self.engine.train(job)).weights

    async def round(self, judge=HONEST_JUDGE, *, friends=frozenset(), report=(), claims=(), updates=()):
        """One round to its end: trained, evaluated by ``judge``, its sanctions carried out.

        Args:
            judge: an evaluator's behaviour.
            friends: its friends' indices.
            report: what to replace in the report afterwards.
            claims: other claims of samples, by index.
            updates: other bytes to hand in, by index.
        """
        number = self.state.round
        handed = {}
        for position, index in enumerate(self.state.current.cohort):
            data = dict(updates).get(index)
            if data is None:
                claim = dict(claims).get(index, self.claims[index])
                data = encode(await self._train(index), {"samples": claim})
            handed[index] = UpdateRecord(content=await self.store.put(data), position=position)
        record = self._record(number, updates=handed)
        outcome = await self.evaluator.evaluate(
            specification=self.specification,
            rounds=self.state.rounds,
            round_number=number,
            max_update_size=LIMIT,
        )
        rng = np.random.default_rng(number)
        found = judge.judge(
            Judgement(scores=outcome.scores, sanctions=outcome.sanctions),
            state=self.state,
            friends=frozenset(friends),
            rng=rng,
        )
        model = await judge.publish(judge.name_model(outcome.model, rng=rng), self.store)
        said = EvaluationReport(
            round=number,
            start_model=record.start_model,
            model=model,
            scores=found.scores,
            weights=outcome.weights,
            validation_samples=60,
            validation_loss=outcome.validation_loss,
            rejected=outcome.rejected,
            evidence=outcome.evidence,
            sanctions=found.sanctions,
        )
        said = dataclasses.replace(said, **dict(report))
        stored = await self.store.put(said.encode())
        done = applicable(self.state, found.sanctions)
        suspended = {index: rounds for index, rounds, _ in done if rounds}
        ejected = {index for index, rounds, _ in done if not rounds}
        self._record(
            number,
            scores=said.scores,
            report=stored,
            model=said.model,
            suspended=tuple(suspended),
            ejected=tuple(sorted(ejected)),
        )
        members = {
            index: dataclasses.replace(
                member,
                active=member.active and index not in ejected,
                suspended_until=number + 1 + suspended[index]
                if index in suspended
                else member.suspended_until,
            )
            for index, member in self.state.members.items()
        }
        self.state = dataclasses.replace(self.state, members=members, model=said.model)
        self._start()
        return said

    def work(self, number=None):
        record = self.state.rounds[number or self.state.round - 1]
        return CheckEvaluation(
            round=record.number,
            task=self.state.address,
            model=record.model,
            report=record.report,
            state=self.state,
        )

    async def findings(self, number=None):
        """Of everybody who revealed, by index."""
        work = self.work(number)
        found = {}
        for index in work.state.rounds[work.round].updates:
            own = OwnLoss(
                engine=self.engine,
                samples=SamplesRef("train", self.shares[index]),
                count=len(self.shares[index]),
            )
            found[index] = await self.check.check(work, own, secret=index.to_bytes(32, "big"))
        return found

    async def reasons(self, number=None):
        """All that anybody finds."""
        return {found.reason if found else None for found in (await self.findings(number)).values()}

    def revert(self):
        """The last evaluation is objected to: the round that began from it starts anew from the model before."""
        number = self.state.round - 1
        record = self._record(number, reverted=True)
        current = self._record(self.state.round, start_model=record.start_model)
        self.state = dataclasses.replace(self.state, model=current.start_model)


@pytest.fixture
def crowd():
    """``async with crowd(trainers=, aggregator=, defence=, learning_rate=) as made``."""

    @asynccontextmanager
    async def make(**options) -> AsyncIterator[Crowd]:
        async with Engine.start(executor="threads", workers=2) as engine:
            engine.add_samples("train", MADE.train)
            engine.add_samples("validation", MADE.test)
            yield await Crowd(engine, **options).begin()

    return make
