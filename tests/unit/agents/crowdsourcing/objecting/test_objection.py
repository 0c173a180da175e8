# SPDX-License-Identifier: Apache-2.0
"""When a trainer checks an evaluation, what it finds, and that it objects once."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from bcfl import registry
from bcfl.agents.common.folding import encode_memory, encode_model
from bcfl.agents.common.joining import TrainerIdentity
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.common.spare_gas import after_the_round
from bcfl.agents.common.training import Train
from bcfl.agents.crowdsourcing.objecting.evaluation_check import (
    HARM_FACTOR,
    HARM_MARGIN,
    MOST_SAMPLES,
    CheckEvaluation,
    EvaluationCheck,
    Objection,
    OwnLoss,
)
from bcfl.agents.crowdsourcing.objecting.objection import decide_objection
from bcfl.agents.crowdsourcing.trainer import decide
from bcfl.agents.runtime.actions import Transact, View
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.crowd_state import CrowdRound, CrowdState
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ZERO_ADDRESS, Address
from bcfl.contracts.phases import Phase
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.contracts.state import UpdateRecord
from bcfl.models.aggregation.fedavg import FedAvg
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.server import Momentum, memory_schema
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.mlp import Mlp
from bcfl.models.training.job import SamplesRef
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import encode
from bcfl.storage.memory import MemoryStore

ME = TrainerIdentity(name="bob", address=Address(f"0x{1:040x}"), chain_id=31337)  # member 0
HARMFUL = Objection(reason="model_harmful", usable=True, blames=False)
ABSENT = Objection(reason="model_unavailable", usable=False, blames=True)
SECRET = b"s" * 32

# ---------------------------------------------------------------- when


def _evaluated(story, *, revealed=(0, 1), closing=False):
    tale = story().enrol(2).start().commit(0, 1).phase(Phase.REVEAL)
    for index in revealed:
        tale.submit(index, f"update {index}")
    tale.phase(Phase.EVALUATION).evaluate([1] * len(revealed), 900).finalise("model")
    return tale.phase(Phase.CLOSING) if closing else tale.start(2)


def _wants(state, results=(), *, final=None):
    return decide(View(seen=state, final=final, now=0), ME, dict(results))


def _check(state, number=1):
    record = state.rounds[number]
    return CheckEvaluation(
        round=number, task=state.address, model=record.model, report=record.report, state=state
    )


def _objection(state, finding):
    call = calls.object_to(state.address, round_number=1, index=0, blames=finding.blames)
    evidence = {"reason": finding.reason, "blames": finding.blames}
    spare = after_the_round(state)
    return Transact(round=1, name="object", call=call, evidence=evidence, spare_gas=spare)


@pytest.mark.parametrize("closing", [False, True])
def test_a_revealer_checks_before_anything_else(story, closing):
    state = _evaluated(story, closing=closing).state
    assert _wants(state) == [_check(state)]


def test_a_sound_evaluation_is_trained_from(story):
    state = _evaluated(story).state
    check, train = _wants(state, {_check(state): None})
    assert check == _check(state)
    assert isinstance(train, Train)


def test_a_sound_last_evaluation_needs_nothing_more(story):
    state = _evaluated(story, closing=True).state
    assert _wants(state, {_check(state): None}, final=state) == [_check(state)]


def test_who_did_not_reveal_has_no_voice_and_trains(story):
    state = _evaluated(story, revealed=(1,)).state
    (train,) = _wants(state)
    assert isinstance(train, Train)


def test_the_first_round_and_one_after_a_void_one_have_nothing_to_check(story):
    assert isinstance(_wants(story().enrol(2).start().state)[0], Train)
    tale = _evaluated(story).finalise(None).start(3)
    assert isinstance(_wants(tale.state)[0], Train)


@pytest.mark.parametrize("closing", [False, True])
def test_it_objects_with_the_reason_and_sits_out_an_unusable_model(story, closing):
    state = _evaluated(story, closing=closing).state
    wanted = _wants(state, {_check(state): ABSENT}, final=state)
    assert wanted == [_check(state), _objection(state, ABSENT)]


@pytest.mark.parametrize("finding", [HARMFUL, ABSENT])
def test_it_says_whether_it_blames_the_evaluator(story, finding):
    state = _evaluated(story, closing=True).state
    _, objection = _wants(state, {_check(state): finding}, final=state)
    assert objection.evidence["blames"] is (finding is ABSENT)


def test_it_trains_from_what_can_be_used_once_its_objection_is_included(story):
    """A commitment says that one is content: enough of them close the window for everybody."""
    tale = _evaluated(story)
    state = tale.state
    assert _wants(state, {_check(state): HARMFUL}, final=state) == [_check(state), _objection(state, HARMFUL)]
    state = tale.tell(e.Objected, round=1, index=0, blames=False).state
    check, train = _wants(state, {_check(state): HARMFUL}, final=state)
    assert check == _check(state)
    assert isinstance(train, Train)


def test_it_waits_until_the_evaluation_cannot_be_undone(story):
    tale = _evaluated(story)
    for final in (None, story().enrol(2).start().state):
        assert _wants(tale.state, {_check(tale.state): HARMFUL}, final=final) == [_check(tale.state)], (
            "the objection could reach another evaluation, or come after the own commitment"
        )


def test_it_objects_once(story):
    tale = _evaluated(story).tell(e.Objected, round=1, index=0, blames=True)
    assert _wants(tale.state, {_check(tale.state): ABSENT}, final=tale.state) == [_check(tale.state)]
    assert len(_wants(tale.state, {_check(tale.state): HARMFUL}, final=tale.state)) == 2


def test_after_a_reorganisation_another_model_is_checked_anew(story):
    first = _evaluated(story).state
    tale = story().enrol(2).start().commit(0, 1).phase(Phase.REVEAL).submit(0, "update 0").submit(1, "b")
    second = tale.phase(Phase.EVALUATION).evaluate([1, 1], 900).finalise("another").start(2).state
    assert _wants(second, {_check(first): ABSENT}) == [_check(second)]


def test_the_core_leaves_results_alone(story):
    state = _evaluated(story).state
    actions, usable = decide_objection(View(seen=state, final=state, now=0), state, 0, {_check(state): None})
    assert (actions, usable) == ([_check(state)], True)


# ---------------------------------------------------------------- what


NETWORK = Mlp(inputs=2, hidden=0, classes=2)
SCHEMA = NETWORK.schema()


class Bench:
    """A round of two updates, 3 and 1 samples, whose model is their mean; each part can be spoilt."""

    def __init__(self, content):
        self.store = MemoryStore()
        self.content = content
        self.losses = {}
        self.asked = []

    def weights(self, value):
        return Weights(SCHEMA, np.full(SCHEMA.size, value, np.float32))

    async def setting(
        self,
        *,
        model=None,
        report=(),
        aggregator=None,
        defence="none",
        config=(),
        rejected=None,
        values=(1.0, 5.0),
        claims=("3", "1"),
        scores=None,
        server="none",
        start_memory=None,
    ):
        specification = Specification(
            title="t",
            network=EntryReference("mlp", {"inputs": 2, "hidden": 0, "classes": 2}),
            training={"learning_rate": 0.1},
            score=EntryReference("shapley"),
            aggregator=aggregator or EntryReference("fedavg"),
            defence=EntryReference(defence),
            server_optimizer=EntryReference(server),
            tensors=tuple((tensor.name, tensor.shape) for tensor in SCHEMA.tensors),
        )
        updates = [self.weights(value) for value in values]
        contents = [
            await self.store.put(encode(one, {"samples": claim}))
            for one, claim in zip(updates, claims, strict=True)
        ]
        start = await self.store.put(encode_model(self.weights(0.0), 0, start_memory))
        if model is None:
            model = await self.store.put(encode_model(fold(updates, [3, 1]), 1))
        scores = scores or {0: 10, 1: -4}
        said = EvaluationReport(
            round=1,
            start_model=start,
            model=model,
            scores=scores,
            weights={0: 3, 1: 1},
            validation_samples=9,
            rejected=rejected or {},
        )
        if report is not None:
            said = await self.store.put(dataclasses.replace(said, **dict(report)).encode())
        else:
            said = self.content("no report")
        record = CrowdRound(
            number=1,
            start_model=start,
            cohort=(0, 1),
            updates={n: UpdateRecord(content=c, position=n) for n, c in enumerate(contents)},
            scores=scores,
            report=said,
            model=model,
        )
        task = TaskConfig(
            token=ZERO_ADDRESS,
            publisher=ZERO_ADDRESS,
            specification=await self.store.put(specification.encode()),
            genesis=start,
            rounds=3,
            capacity=2,
            min_trainers=1,
            max_update_size=10_000,
            schedule=Schedule(),
            round_budget=1,
            **dict(config),
        )
        state = CrowdState(
            address=Address("0x" + "a" * 40),
            publisher=ZERO_ADDRESS,
            token=ZERO_ADDRESS,
            config=task,
            budget=1,
            evaluators=(),
            escrow=1,
            model=model,
            phase=Phase.TRAINING,
            round=2,
            rounds={1: record, 2: CrowdRound(number=2, start_model=model, cohort=(0, 1))},
        )
        return _check(state)

    async def evaluate(self, network, weights, samples_key, indices=None):
        value = float(weights.vector[0])
        self.asked.append((value, len(indices)))
        return Evaluation(loss=self.losses.get(value, 1.0), accuracy=0.5, samples=len(indices))

    def own(self, count=10):
        return OwnLoss(engine=self, samples=SamplesRef("bob"), count=count)

    async def find(self, work, check=None):
        check = check or EvaluationCheck(Retrieval(self.store))
        finding = await check.check(work, self.own(), secret=SECRET)
        blames = finding is not None and finding.blames
        assert await check.repeats(work, secret=SECRET) is not blames
        assert blames is (finding is not None and finding.reason != "model_harmful")
        return finding.reason if finding else None


@pytest.fixture
def bench(content):
    return Bench(content)


@pytest.mark.asyncio
async def test_an_honest_evaluation_is_sound_and_its_loss_nobodys_business(bench):
    bench.losses = {2.0: 1000.0}
    assert await bench.find(await bench.setting()) is None
    assert bench.asked == [], "the model repeats: it is the updates' doing"


@pytest.mark.asyncio
async def test_a_model_that_is_not_there(bench, content):
    work = await bench.setting(model=content("nowhere"))
    assert await EvaluationCheck(Retrieval(bench.store)).check(work, bench.own(), secret=SECRET) == ABSENT


@pytest.mark.parametrize("value", [None, np.nan, np.inf])
@pytest.mark.asyncio
async def test_a_model_that_is_none(bench, value):
    data = b"garbage" if value is None else encode_model(bench.weights(value), 1)
    work = await bench.setting(model=await bench.store.put(data))
    finding = await EvaluationCheck(Retrieval(bench.store)).check(work, bench.own(), secret=SECRET)
    assert finding == Objection(reason="model_malformed", usable=False, blames=True)


@pytest.mark.asyncio
async def test_a_report_that_is_not_there_or_none(bench):
    work = await bench.setting(report=None)
    assert await bench.find(work) == "report_unavailable"
    work = dataclasses.replace(work, report=await bench.store.put(b"{}"))
    assert await bench.find(work) == "report_unavailable"


@pytest.mark.parametrize("wrong", ["scores", "round", "start_model", "model"])
@pytest.mark.asyncio
async def test_a_report_that_says_something_else(bench, content, wrong):
    other = {"scores": {0: 11, 1: -4}, "round": 2, "start_model": content("x"), "model": content("y")}[wrong]
    assert await bench.find(await bench.setting(report={wrong: other})) == "report_mismatch"


@pytest.mark.parametrize("weight", [1, -3, 2**29, 10**400])
@pytest.mark.asyncio
async def test_weights_that_the_updates_do_not_give(bench, weight):
    assert await bench.find(await bench.setting(report={"weights": {0: weight, 1: 1}})) == "model_mismatch"


@pytest.mark.asyncio
async def test_a_model_that_the_updates_do_not_give(bench):
    work = await bench.setting(model=await bench.store.put(encode_model(bench.weights(2.5), 1)))
    assert await bench.find(work) == "model_mismatch"


@pytest.mark.asyncio
async def test_where_nothing_counted_the_model_is_the_one_before(bench):
    same = await bench.store.put(encode_model(bench.weights(0.0), 1))
    by_score = EntryReference("fedavg", {"by": "score"})
    setting = {"model": same, "aggregator": by_score, "scores": {0: 0, 1: -4}}
    assert await bench.find(await bench.setting(report={"weights": {0: 0, 1: 0}}, **setting)) is None


@pytest.mark.asyncio
async def test_weights_that_follow_scores_are_a_choice_and_the_loss_counts(bench):
    """All the score to a friend: the model repeats, so that nobody is blamed for what it is worth."""
    friends = await bench.store.put(encode_model(bench.weights(1.0), 1))
    by_score = EntryReference("fedavg", {"by": "score"})
    setting = {"model": friends, "aggregator": by_score, "scores": {0: 10, 1: 0}}
    work = await bench.setting(report={"weights": _by_score(10, 0)}, **setting)
    assert await bench.find(work) is None
    bench.losses = {1.0: 9.0}
    assert await bench.find(work) == "model_harmful"


def _by_score(*scores):
    integers = FedAvg(by="score").integer_weights(
        samples=[1] * len(scores), scores=[score / SCORE_UNIT for score in scores]
    )
    return dict(enumerate(integers))


FLTRUST = {"aggregator": EntryReference("fltrust")}
"""It needs a model trained on the evaluator's samples."""


@pytest.mark.asyncio
async def test_what_cannot_be_repeated_is_measured(bench):
    model = await bench.store.put(encode_model(bench.weights(2.5), 1))
    work = await bench.setting(model=model, **FLTRUST)
    bench.losses = {0.0: 1.5, 2.5: HARM_FACTOR * 1.5 + HARM_MARGIN}
    assert await bench.find(work) is None
    for harmful in (bench.losses[2.5] + 1e-6, math.inf, math.nan):
        bench.losses[2.5] = harmful
        assert await bench.find(work) == "model_harmful"
    bench.losses[0.0] = math.nan
    assert await bench.find(work) is None, "a model before without a loss is no yardstick"


@pytest.mark.asyncio
async def test_a_defence_that_says_nothing_of_itself_is_measured(bench, monkeypatch):
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    @registry.register("defence", "strangers", source="a test")
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Strangers:
        async def judge(self, made, memory, laboratory):
            raise NotImplementedError

    bench.losses = {5.0: 9.0}
    only = await bench.store.put(encode_model(bench.weights(5.0), 1))
    setting = {"report": {"weights": {1: 1}}, "rejected": {0: "strange"}, "scores": {0: 0, 1: -4}}
    assert (
        await bench.find(await bench.setting(model=only, defence="strangers", **setting)) == "model_harmful"
    )


@pytest.mark.asyncio
async def test_an_update_that_the_defence_left_out_makes_the_loss_count(bench):
    only = await bench.store.put(encode_model(bench.weights(5.0), 1))
    setting = {"report": {"weights": {1: 1}}, "rejected": {0: "suspected"}, "scores": {0: 0, 1: -4}}
    work = await bench.setting(model=only, defence="pipeline", **setting)
    assert await bench.find(work) is None, "the model repeats from the one that was let pass"
    bench.losses = {5.0: 9.0}
    assert await bench.find(work) == "model_harmful"


@pytest.mark.parametrize(
    "setting",
    [
        {"report": {"weights": {0: 3}}},
        {"report": {"weights": {0: 3, 1: 1, 7: 1}}},
        {"report": {"weights": {}}},
        {"rejected": {0: "unavailable"}},
        {
            "report": {"weights": {1: 1}},
            "rejected": {0: "unavailable", 7: "unavailable"},
            "scores": {0: 0, 1: 1},
        },
        {"report": {"weights": {1: 1}}, "rejected": {0: "unavailable"}},
    ],
    ids=["omitted", "a stranger", "nobody", "both", "a stranger rejected", "paid though rejected"],
)
@pytest.mark.asyncio
async def test_everybody_is_weighed_or_rejected_and_not_paid(bench, setting):
    assert await bench.find(await bench.setting(**setting)) == "members_mismatch"


@pytest.mark.parametrize(("word", "found"), [("not_selected", None), ("suspected", "members_mismatch")])
@pytest.mark.asyncio
async def test_who_is_only_left_out_of_the_model_may_be_paid(bench, word, found):
    only = await bench.store.put(encode_model(bench.weights(5.0), 1))
    setting = {"report": {"weights": {1: 1}}, "rejected": {0: word}, "scores": {0: 3, 1: 4}}
    assert await bench.find(await bench.setting(model=only, defence="pipeline", **setting)) == found


@pytest.mark.parametrize("defence", ["none", "pipeline", "drop_lowest", "score_threshold"])
@pytest.mark.parametrize("word", ["harmful", "non_finite", "invalid_samples", "digest_not_owned", "oversize"])
@pytest.mark.asyncio
async def test_a_sound_update_is_not_rejected_for_what_it_is_not(bench, word, defence):
    only = await bench.store.put(encode_model(bench.weights(5.0), 1))
    setting = {"report": {"weights": {1: 1}}, "rejected": {0: word}, "scores": {0: 0, 1: -4}}
    assert (
        await bench.find(await bench.setting(model=only, defence=defence, **setting)) == "verdict_unfounded"
    )


@pytest.mark.parametrize("word", ["unavailable", "slow", "wrong_digest"])
@pytest.mark.asyncio
async def test_what_a_store_may_have_kept_back_proves_nothing_but_the_loss_counts(bench, word):
    only = await bench.store.put(encode_model(bench.weights(5.0), 1))
    setting = {"report": {"weights": {1: 1}}, "rejected": {0: word}, "scores": {0: 0, 1: -4}}
    work = await bench.setting(model=only, **setting)
    assert await bench.find(work) is None
    bench.losses = {5.0: 9.0}
    assert await bench.find(work) == "model_harmful"


@pytest.mark.parametrize("claim", ["9999999999", "0", "", "-3", "²"])
@pytest.mark.asyncio
async def test_claims_that_the_task_does_not_allow_weigh_nothing(bench, claim):
    """One check for whoever makes the model and whoever repeats it."""
    work = await bench.setting(claims=(claim, "1"), report={"weights": {0: 2**29 - 1, 1: 1}})
    assert await bench.find(work) == "verdict_unfounded"
    only = await bench.store.put(encode_model(bench.weights(5.0), 1))
    refused = {"report": {"weights": {1: 1}}, "rejected": {0: "invalid_samples"}, "scores": {0: 0, 1: -4}}
    assert await bench.find(await bench.setting(claims=(claim, "1"), model=only, **refused)) is None


@pytest.mark.asyncio
async def test_a_copy_weighs_nothing_where_the_defence_looks_for_copies(bench):
    same = await bench.store.put(encode_model(bench.weights(1.0), 1))
    setting = {"values": (1.0, 1.0), "model": same, "scores": {0: 10, 1: 0}}
    assert await bench.find(await bench.setting(defence="pipeline", **setting)) == "verdict_unfounded"
    assert await bench.find(await bench.setting(defence="none", **setting)) is None
    report = {"weights": {0: 3}}
    found = await bench.setting(defence="pipeline", report=report, rejected={1: "copied"}, **setting)
    assert await bench.find(found) is None
    found = await bench.setting(defence="pipeline", report=report, rejected={1: "suspected"}, **setting)
    assert await bench.find(found) == "verdict_unfounded"


@pytest.mark.asyncio
async def test_who_has_an_update_that_is_somebody_elses_weighs_nothing(bench):
    def disown(work):
        record = work.state.rounds[1]
        updates = {**record.updates, 0: dataclasses.replace(record.updates[0], owned=False)}
        return _with(work, dataclasses.replace(record, updates=updates))

    assert await bench.find(disown(await bench.setting())) == "members_mismatch"
    only = await bench.store.put(encode_model(bench.weights(5.0), 1))
    refused = {"model": only, "report": {"weights": {1: 1}}, "scores": {0: 0, 1: -4}}
    work = await bench.setting(rejected={0: "digest_not_owned"}, **refused)
    assert await bench.find(work) == "verdict_unfounded"
    bench.losses = {5.0: 9.0}
    assert await bench.find(disown(work)) is None, "everybody's own update weighs: nothing was chosen"
    assert (
        await bench.find(disown(await bench.setting(rejected={0: "slow"}, **refused))) == "verdict_unfounded"
    )


def _with(work, record):
    state = dataclasses.replace(work.state, rounds={**work.state.rounds, 1: record})
    return dataclasses.replace(work, state=state)


@pytest.mark.asyncio
async def test_a_named_aggregators_model_is_not_the_evaluators_fault(bench, content):
    config = {"aggregator": Address("0x" + "7" * 40)}
    assert await bench.find(await bench.setting(model=content("nowhere"), config=config)) is None
    work = await bench.setting(model=content("nowhere"), config=config, report={"scores": {0: 1, 1: 1}})
    finding = await EvaluationCheck(Retrieval(bench.store)).check(work, bench.own(), secret=SECRET)
    assert finding == Objection(reason="report_mismatch", usable=False, blames=True)


@pytest.mark.asyncio
async def test_a_specification_that_cannot_be_had_is_not_the_evaluators_fault(bench, content):
    work = await bench.setting(model=content("nowhere"))
    config = dataclasses.replace(work.state.config, specification=content("none"))
    work = dataclasses.replace(work, state=dataclasses.replace(work.state, config=config))
    assert await bench.find(work) is None


@pytest.mark.asyncio
async def test_agents_of_a_process_share_what_does_not_depend_on_their_data(bench):
    work = await bench.setting(**FLTRUST)
    fetched = []
    retrieval = Retrieval(bench.store)
    original = retrieval.content

    async def content(wanted, *, max_bytes):
        fetched.append(wanted)
        return await original(wanted, max_bytes=max_bytes)

    retrieval.content = content
    check = EvaluationCheck(retrieval)
    for trainer in range(3):
        assert await check.check(work, bench.own(), secret=bytes([trainer])) is None
    assert len(fetched) == len(set(fetched))
    assert len(bench.asked) == 6, "each measures the model and the one before on its own data"


@pytest.mark.asyncio
async def test_a_trainer_measures_a_few_samples_of_all_its_share_and_no_model_twice(bench, content):
    work = await bench.setting()
    retrieval = Retrieval(bench.store)
    specification = await retrieval.specification(work.state.config.specification)
    chosen = []

    class Engine:
        async def evaluate(self, network, weights, samples_key, indices):
            chosen.append(list(indices))
            return Evaluation(loss=1.0, accuracy=1.0, samples=len(indices))

    shares = np.arange(5_000, 7_000)
    own = OwnLoss(engine=Engine(), samples=SamplesRef("bob", shares), count=2_000)
    for name in ("a", "b", "a"):
        assert await own.of(specification, content(name), bench.weights(1.0)) == 1.0
    assert len(chosen) == 2
    assert len(set(chosen[0])) == MOST_SAMPLES
    assert (chosen[0][0], chosen[0][-1]) == (5_000, 6_999)


# --- what a server optimiser remembers -------------------------------------------------------------------------


async def _stepped(bench, *, memory="kept"):
    """A model after one step with momentum, whose memory is kept, withheld or another one."""
    mean = fold([bench.weights(1.0), bench.weights(5.0)], [3, 1])
    model, remembered = Momentum().step(bench.weights(0.0), mean, None)
    named = remembered
    if memory == "bent":
        named = Weights(remembered.schema, remembered.vector + np.float32(1.0))
    data = encode_model(model, 1, named)
    if memory == "nonsense":
        data = encode(model, {"round": "1", "server_memory": "zz", "server_memory_bytes": "9"})
    if memory != "withheld":
        await bench.store.put(encode_memory(named))
    return await bench.store.put(data)


@pytest.mark.parametrize(
    ("memory", "reason"),
    [
        ("kept", None),
        ("withheld", "model_unavailable"),
        ("nonsense", "model_malformed"),
        ("bent", "model_mismatch"),
    ],
)
@pytest.mark.parametrize("aggregator", [None, EntryReference("fltrust")], ids=["repeated", "private"])
@pytest.mark.asyncio
async def test_what_the_next_round_needs_is_looked_at_before_anybody_builds_on_it(
    bench, memory, reason, aggregator
):
    model = await _stepped(bench, memory=memory)
    work = await bench.setting(model=model, server="momentum", aggregator=aggregator)
    assert await bench.find(work, EvaluationCheck(Retrieval(bench.store, deadline_s=0.2))) == reason


@pytest.mark.asyncio
async def test_a_memory_that_was_taken_away_later_switches_no_other_check_off(bench):
    bench.losses = {5.0: 1000.0}
    gone = Weights(memory_schema(Momentum(), SCHEMA), np.ones(SCHEMA.size, dtype=np.float32))
    there = Weights(gone.schema, np.full(SCHEMA.size, 5, dtype=np.float32))
    await bench.store.put(encode_memory(there))
    model = await bench.store.put(encode_model(bench.weights(5.0), 1, there))
    work = await bench.setting(model=model, server="momentum", start_memory=gone)
    check = EvaluationCheck(Retrieval(bench.store, deadline_s=0.2))
    assert await bench.find(work, check) == "model_harmful"
