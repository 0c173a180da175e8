# SPDX-License-Identifier: Apache-2.0
"""Dishonest evaluators: what each changes, and that the contract would take it."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.agents.adversaries.judges import (
    Bias,
    Ejector,
    Equivocator,
    Inverter,
    RandomScores,
    SelfDealer,
    Withholder,
)
from bcfl.agents.common.behaviour import Judgement
from bcfl.agents.crowdsourcing.evaluator import Evaluate
from bcfl.agents.runtime.actions import Transact, View
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase, Reason
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import decode, encode
from bcfl.storage.content_id import content_id
from bcfl.storage.memory import MemoryStore

SCHEMA = Schema((TensorSpec("w", (8,)),))
MODEL = Weights(SCHEMA, np.arange(8, dtype=np.float32))
UNIT = SCORE_UNIT


@pytest.fixture
def round_of(story):
    """Three members; the last revealed a copy of the first's update."""
    tale = story().enrol(3).start().commit(0, 1, 2).phase(Phase.REVEAL)
    tale.submit(0, "work").submit(1, "other").submit(2, "work")
    return tale


def _judged(judge, state, scores=(5 * UNIT, 3 * UNIT, 0), friends=(1,)):
    judgement = Judgement(scores=dict(enumerate(scores)), sanctions=())
    return judge.judge(judgement, state=state, friends=frozenset(friends), rng=np.random.default_rng(0))


def test_bias_shifts_friends_up_and_the_others_down_but_never_a_copy(round_of):
    judged = _judged(Bias(bonus=0.5), round_of.state, friends=(1, 2))
    assert judged.scores == {0: 4.5 * UNIT, 1: 3.5 * UNIT, 2: 0}


def test_a_self_dealer_keeps_the_sum_and_gives_it_to_its_friends(round_of):
    assert _judged(SelfDealer(), round_of.state).scores == {0: 0, 1: 8 * UNIT, 2: 0}
    assert _judged(SelfDealer(inflation=2), round_of.state, friends=(0, 1)).scores == {
        0: 8 * UNIT,
        1: 8 * UNIT,
        2: 0,
    }


@pytest.mark.parametrize("friends", [(), (2,)])
def test_a_self_dealer_without_a_friend_whom_it_may_pay_pays_nobody(round_of, friends):
    assert set(_judged(SelfDealer(), round_of.state, friends=friends).scores.values()) == {0}


def test_an_inverter_inverts(round_of):
    assert _judged(Inverter(), round_of.state, scores=(5, -3, 0)).scores == {0: -5, 1: 3, 2: 0}


def test_random_scores_do_not_depend_on_the_honest_ones(round_of):
    judge = RandomScores(highest=0.1)
    one, other = (_judged(judge, round_of.state, scores=s) for s in ((1, 2, 0), (9, 9, 0)))
    assert one.scores == other.scores
    assert all(0 < one.scores[index] < 0.1 * UNIT for index in (0, 1))
    assert one.scores[2] == 0


def test_a_withholder_bonds_and_leaves_but_never_evaluates(round_of, content):
    state = round_of.state
    me = Address(f"0x{0xE0:040x}")
    work = Evaluate(
        round=1,
        specification=content("specification"),
        start=content("genesis"),
        updates=(),
        max_update_size=1,
        state=state,
    )
    wanted = [Transact(round=1, name=name, call=calls.advance(me)) for name in ("bond", "evaluate")]
    view = View(seen=state, final=state, now=0)
    assert Withholder().decide(view, me, [work, *wanted]) == wanted[:1]


def test_an_equivocator_names_another_sound_model(round_of):
    judge = Equivocator(noise=0.5)
    assert _judged(judge, round_of.state).scores == {0: 5 * UNIT, 1: 3 * UNIT, 2: 0}
    named = judge.name_model(encode(MODEL, {"round": "1"}), rng=np.random.default_rng(0))
    other, metadata = decode(named, SCHEMA)
    assert metadata == {"round": "1"}
    assert not np.allclose(other.vector, MODEL.vector)


@pytest.mark.asyncio
@pytest.mark.parametrize(("what", "stored"), [("model", True), ("unavailable", False)])
async def test_an_equivocators_model_is_in_the_store_or_nowhere(what, stored):
    store = MemoryStore()
    content = await Equivocator(what=what).publish(b"model", store)
    assert content == content_id(b"model")
    assert await store.has(content) is stored


def test_an_ejector_suspends_the_others_first_and_ejects_who_sits_out(round_of):
    judged = _judged(Ejector(rounds=3), round_of.state)
    harmful = int(Reason.HARMFUL)
    assert judged.sanctions == ((0, 3, harmful), (2, 3, harmful))
    sitting = round_of.tell(
        e.TrainerSuspended, round=1, index=0, until_round=5, reason=harmful, evidence=bytes(32)
    )
    sitting.finalise("model").start(2, cohort=(1, 2))
    assert _judged(Ejector(rounds=3), sitting.state).sanctions == ((0, 0, harmful), (2, 3, harmful))


def test_an_ejector_does_not_try_what_the_contract_refuses(round_of):
    """Ejecting who takes part in the round would revert the whole evaluation."""
    suspended = round_of.tell(
        e.TrainerSuspended, round=1, index=0, until_round=5, reason=6, evidence=bytes(32)
    )
    assert [index for index, _, _ in _judged(Ejector(), suspended.state).sanctions] == [2]


def test_zero_rounds_would_be_an_ejection():
    with pytest.raises(ValueError, match="at least 1"):
        Ejector(rounds=0)
