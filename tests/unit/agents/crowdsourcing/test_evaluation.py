# SPDX-License-Identifier: Apache-2.0
"""A round's evaluation with a tiny network: rejections have reasons and cost nobody else, order changes nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.contracts.state import UpdateRecord
from bcfl.models.aggregation.fedavg import FedAvg
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import decode, encode
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import StoreUnreachable
from bcfl.storage.memory import MemoryStore

PARAMETERS = {"inputs": 4, "hidden": 0, "classes": 3}
NETWORK = Mlp(**PARAMETERS)
SCHEMA = NETWORK.schema()
START = initial_weights(NETWORK, 7)
DATA = Synthetic(samples=120, test_samples=60, classes=3, form="blobs", features=4).load()
LIMIT = 1000


def _specification(**changes):
    entries = {
        "score": EntryReference("shapley"),
        "aggregator": EntryReference("fedavg"),
        "sample_limit": LIMIT,
    }
    return Specification(
        title="t",
        network=EntryReference("mlp", PARAMETERS),
        training={"learning_rate": 0.1},
        tensors=tuple((tensor.name, tensor.shape) for tensor in SCHEMA.tensors),
        **{**entries, **changes},
    )


def _rounds(start, updates):
    """Two void rounds, and the one with the updates."""
    void = {number: CrowdRound(number=number, start_model=start, cohort=()) for number in (1, 2)}
    return void | {3: CrowdRound(number=3, start_model=start, cohort=tuple(updates), updates=updates)}


class Bench:
    """Trained updates in a store, and a round that can be evaluated again and again."""

    def __init__(self, engine, store):
        self.engine = engine
        self.store = store
        self.updates = {}
        self.start = None

    async def evaluate(self, updates=None, *, max_update_size=10_000, **changes):
        evaluator = RoundEvaluator(
            engine=self.engine, retrieval=Retrieval(self.store), samples_key="validation", samples=60
        )
        return await evaluator.evaluate(
            specification=_specification(**changes),
            rounds=_rounds(self.start, self.updates if updates is None else updates),
            round_number=3,
            max_update_size=max_update_size,
        )

    async def put(self, weights, **metadata):
        return UpdateRecord(content=await self.store.put(encode(weights, metadata)), position=0)


async def _bench(engine):
    engine.add_samples("validation", DATA.test)
    engine.add_samples("train", DATA.train)
    bench = Bench(engine, MemoryStore())
    bench.start = await bench.store.put(encode(START, {}))
    for index, chosen in enumerate(np.array_split(np.arange(120), 3)):
        result = await engine.train(
            TrainingJob(
                network=NETWORK,
                hyperparameters=Hyperparameters(learning_rate=0.05, batch_size=10, epochs=1),
                start=START,
                samples=SamplesRef("train", chosen),
                seed=index,
            )
        )
        bench.updates[index] = await bench.put(result.weights, samples=str(10 * (index + 1)))
    return bench


def _same(one, other):
    """Scores, weights and the model's bytes."""
    return (one.scores, one.weights, one.model) == (other.scores, other.weights, other.model)


@pytest.mark.asyncio
async def test_scores_share_out_the_gain_and_the_model_is_the_weighted_mean():
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        outcome = await bench.evaluate()
        assert outcome.rejected == {}
        assert outcome.weights == {0: 10, 1: 20, 2: 30}
        gain = outcome.start_loss - outcome.loss
        assert gain > 0
        assert sum(outcome.scores.values()) == pytest.approx(gain * SCORE_UNIT, abs=1e-5 * SCORE_UNIT)
        weights, metadata = decode(outcome.model, SCHEMA)
        assert metadata == {"round": "3"}
        models = [decode(await _bytes(bench, n), SCHEMA)[0].vector for n in range(3)]
        mean = np.average(np.array(models, dtype=np.float64), axis=0, weights=[10, 20, 30])
        np.testing.assert_allclose(weights.vector, mean, rtol=1e-6)
        assert outcome.loss == (await engine.evaluate(NETWORK, weights, "validation")).loss
        assert set(outcome.validation_loss) == {0, 1, 2}


class _Counting:
    """An engine that counts the coalitions it is asked for in the game of the scores."""

    def __init__(self, engine):
        self._engine = engine
        self.asked = []

    def __getattr__(self, name):
        return getattr(self._engine, name)

    async def coalition_losses(self, network, start, updates, weights, coalitions, *given):
        if weights is not None:
            self.asked += coalitions
        return await self._engine.coalition_losses(network, start, updates, weights, coalitions, *given)


@pytest.mark.parametrize(
    ("defence", "asked"),
    # each alone, two and all three, and the start: with three members that is every coalition
    [("none", list(range(8))), ("pipeline", [])],
)
@pytest.mark.asyncio
async def test_what_the_defence_has_evaluated_is_not_evaluated_for_the_scores(defence, asked):
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        expected = await bench.evaluate()
        counting = bench.engine = _Counting(engine)
        found = await bench.evaluate(defence=EntryReference(defence, {"effort": False} if not asked else {}))
    assert counting.asked == asked
    assert found.scores.values() != {0}
    assert list(found.scores.values()) == pytest.approx(list(expected.scores.values()), rel=1e-3)


@pytest.mark.parametrize(("unlike", "asked"), [(False, []), (True, list(range(4)))])
@pytest.mark.asyncio
async def test_losses_of_another_game_make_no_scores(monkeypatch, unlike, asked):
    """Two of three are in the game, whose weights beside each other may be others than they were beside the third."""

    def weights(_self, samples):
        return (3, 1) if unlike and len(samples) == 2 else (1,) * len(samples)

    monkeypatch.setattr(FedAvg, "game_weights", weights)
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        bench.updates[0] = await bench.put(START, samples="10")  # no work
        counting = bench.engine = _Counting(engine)
        await bench.evaluate(defence=EntryReference("pipeline"))
    assert counting.asked == asked


async def _bytes(bench, index):
    return b"".join([part async for part in bench.store.get(bench.updates[index].content)])


@pytest.mark.asyncio
async def test_the_order_of_arrival_changes_no_byte():
    async with Engine.start(executor="threads", workers=2) as engine:
        bench = await _bench(engine)
        straight = await bench.evaluate()
        turned = await bench.evaluate(dict(reversed(bench.updates.items())))
        assert _same(straight, turned)
        assert _same(straight, await bench.evaluate())


def _bad_model(value):
    vector = START.vector.copy()
    vector[0] = value
    return Weights(SCHEMA, vector)


OTHER = Schema((TensorSpec("w", (5,)),))
BAD = {
    "unavailable": lambda _: ContentId(b"\1" * 32, 50),
    "oversize": lambda _: ContentId(b"\1" * 32, 10_001),
    "truncated": lambda store: store.put(b""),
    "header_syntax": lambda store: store.put((8).to_bytes(8, "little") + b"garbage!"),
    "names": lambda store: store.put(encode(Weights(OTHER, np.zeros(5, np.float32)), {"samples": "1"})),
    "non_finite": lambda store: store.put(encode(_bad_model(np.nan), {"samples": "1"})),
    "trailing": lambda store: store.put(encode(START, {"samples": "1"}) + b"\0"),
    "invalid_samples": lambda store: store.put(encode(START, {})),
}


@pytest.mark.parametrize("reason", BAD)
@pytest.mark.asyncio
async def test_a_rejected_update_has_a_reason_and_costs_nobody_else(reason):
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        alone = await bench.evaluate()
        bad = BAD[reason](bench.store)
        content = bad if isinstance(bad, ContentId) else await bad
        with_it = await bench.evaluate({**bench.updates, 7: UpdateRecord(content=content, position=3)})
        assert with_it.rejected == {7: reason}
        assert with_it.scores == {**alone.scores, 7: 0}
        assert (with_it.weights, with_it.model) == (alone.weights, alone.model)
        assert 7 not in with_it.validation_loss


@pytest.mark.parametrize("claim", ["0", "-5", "1001", "1e3", "", " 7", "٣", "²", "9" * 5000, "seven"])
@pytest.mark.asyncio
async def test_a_claim_of_samples_outside_the_bounds_is_no_update(claim):
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        record = await bench.put(START, samples=claim)
        outcome = await bench.evaluate({**bench.updates, 5: record})
        assert outcome.rejected[5] in {"invalid_samples", "metadata"}
        assert outcome.scores[5] == 0


@pytest.mark.asyncio
async def test_a_claim_at_the_bound_is_one():
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        bench.updates[5] = await bench.put(START, samples=str(LIMIT))
        outcome = await bench.evaluate()
        assert outcome.rejected == {}
        assert outcome.weights[5] == LIMIT


@pytest.mark.asyncio
async def test_a_digest_of_somebody_else_gets_zero_and_is_not_even_fetched():
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        alone = await bench.evaluate()
        copy = UpdateRecord(content=bench.updates[0].content, position=9, owned=False)
        missing = UpdateRecord(content=content_id(b"nowhere"), position=9, owned=False)
        outcome = await bench.evaluate({**bench.updates, 4: copy, 6: missing})
        assert outcome.rejected == {4: "digest_not_owned", 6: "digest_not_owned"}
        assert outcome.scores == {**alone.scores, 4: 0, 6: 0}
        assert outcome.model == alone.model


@pytest.mark.asyncio
async def test_where_nothing_is_left_the_model_is_kept():
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        outcome = await bench.evaluate({2: UpdateRecord(content=content_id(b"nowhere"), position=0)})
        assert outcome.scores == {2: 0}
        assert outcome.weights == {}
        kept, _ = decode(outcome.model, SCHEMA)
        assert np.array_equal(kept.vector, START.vector)
        assert outcome.loss == outcome.start_loss


@pytest.mark.asyncio
async def test_weights_by_score_leave_the_harmful_out():
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        opposite = Weights(SCHEMA, (2 * START.vector - decode(await _bytes(bench, 0), SCHEMA)[0].vector))
        bench.updates[5] = await bench.put(opposite, samples="10")
        by_score = EntryReference("fedavg", {"by": "score"})
        outcome = await bench.evaluate(aggregator=by_score)
        assert outcome.scores[5] < 0
        assert outcome.weights[5] == 0
        assert min(outcome.weights[n] for n in range(3)) > 0


@pytest.mark.asyncio
async def test_a_store_that_fails_is_no_fault_of_a_member():
    class Broken(MemoryStore):
        async def get(self, content):
            if content == self.broken:
                raise StoreUnreachable
            async for part in super().get(content):
                yield part

    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        broken = Broken()
        broken._contents = bench.store._contents
        broken.broken = bench.updates[1].content
        bench.store = broken
        with pytest.raises(StoreUnreachable):
            await bench.evaluate()


@pytest.mark.asyncio
async def test_what_a_report_says_could_not_be_had_in_time_is_believed_and_nothing_else():
    """An auditor, or a standby, may find by now what was late then."""
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        report = EvaluationReport(
            round=3,
            start_model=bench.start,
            model=bench.start,
            scores={},
            weights={},
            validation_samples=60,
            rejected={0: "slow", 1: "non_finite"},
        )
        stored = await bench.store.put(report.encode())
        rounds = _rounds(bench.start, bench.updates)
        rounds[3] = dataclasses.replace(rounds[3], report=stored)
        evaluator = RoundEvaluator(
            engine=engine, retrieval=Retrieval(bench.store), samples_key="validation", samples=60
        )
        outcome = await evaluator.evaluate(
            specification=_specification(), rounds=rounds, round_number=3, max_update_size=10_000
        )
        assert outcome.rejected == {0: "slow"}
        assert outcome.scores[0] == 0
        assert outcome.scores[1] > 0


@pytest.mark.asyncio
async def test_what_is_only_reported_is_measured_on_as_many_samples_as_the_task_says():
    async with Engine.start(executor="threads") as engine:
        bench = await _bench(engine)
        whole = await bench.evaluate()
        few = await bench.evaluate(reported_samples=20)
        none = await bench.evaluate(reported_samples=0)
        more = await bench.evaluate(reported_samples=10**9)
        assert more.validation_loss == whole.validation_loss
        assert few.validation_loss.keys() == whole.validation_loss.keys()
        assert few.validation_loss != whole.validation_loss
        assert (await bench.evaluate(reported_samples=20)).validation_loss == few.validation_loss
        assert none.validation_loss == {}
        # nothing else depends on it, and whose update was examined is known
        for other in (few, none):
            assert _same(other, whole)
            assert other.examined == whole.examined == whole.validation_loss.keys()
