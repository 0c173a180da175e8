# SPDX-License-Identifier: Apache-2.0
"""What an evaluator wants in every phase, and what it puts into the store."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from bcfl.agents.crowdsourcing.evaluation import RoundEvaluation
from bcfl.agents.crowdsourcing.evaluator import (
    AllowBond,
    Evaluate,
    Evaluator,
    EvaluatorIdentity,
    PostedEvaluation,
    decide,
)
from bcfl.agents.runtime.actions import View
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.commitments import validation_commitment
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import CancelReason, Phase, Selection
from bcfl.contracts.scores import to_bitmap
from bcfl.contracts.state import UpdateRecord
from bcfl.storage.memory import MemoryStore

FIRST = Address(f"0x{0xE0:040x}")
ME = EvaluatorIdentity(name="alice", address=FIRST, secret=b"k" * 32, validation_digest=b"d" * 32)
SECOND = dataclasses.replace(ME, name="eve", address=Address(f"0x{0xE1:040x}"))
STRANGER = dataclasses.replace(ME, address=Address(f"0x{99:040x}"))


def _wants(seen, results=(), *, final=None, me=ME):
    return decide(View(seen=seen, final=final, now=0), me, dict(results))


def _evaluate(state):
    return Evaluate(
        round=state.round,
        specification=state.config.specification,
        start=state.current.start_model,
        updates=tuple(sorted(state.current.updates.items())),
        max_update_size=state.config.max_update_size,
        state=state,
    )


@pytest.fixture
def scored(content):
    return PostedEvaluation(scores={2: 30, 0: -10}, model=content("model"), report=content("report"))


def _revealed(tale):
    """Members 2 and 0 of three have opened; in Evaluation."""
    tale.enrol(3).start().commit(2, 1, 0).phase(Phase.REVEAL).submit(2, "c").submit(0, "a")
    return tale.phase(Phase.EVALUATION)


def test_without_a_task_or_a_place_in_its_list_there_is_nothing(story):
    assert _wants(None) == []
    assert _wants(story().state, me=STRANGER) == []
    assert _wants(_revealed(story()).state, me=STRANGER) == []


def test_it_bonds_with_a_commitment_to_its_validation_set(story):
    state = story().state
    (bond,) = _wants(state, final=state)
    hidden = validation_commitment(ME.salt(state.address), b"d" * 32)
    assert bond.call == calls.bond(state.address, evaluator=0, validation_commitment=hidden)
    assert (bond.round, bond.name) == (0, "bond")


def test_it_signs_for_the_bond_first(story):
    state = story(bond=900).state
    (allow,) = _wants(state, final=state)
    assert allow == AllowBond(round=0, task=state.address, token=state.token, amount=900)
    permit = calls.Permit(value=1, deadline=2)
    (bond,) = _wants(state, {allow: permit}, final=state)
    hidden = validation_commitment(ME.salt(state.address), b"d" * 32)
    assert bond.call == calls.bond(state.address, evaluator=0, validation_commitment=hidden, permit=permit)


def test_a_standby_bonds_for_its_own_place_also_after_the_start(story):
    tale = story(evaluators=2).enrol(1).start()
    (bond,) = _wants(tale.state, me=SECOND, final=tale.state)
    hidden = validation_commitment(SECOND.salt(tale.state.address), b"d" * 32)
    assert bond.call == calls.bond(tale.state.address, evaluator=1, validation_commitment=hidden)


def test_it_does_not_bond_in_a_task_that_could_be_undone(story):
    assert _wants(story().state, final=None) == []


@pytest.mark.parametrize("phase", [Phase.TRAINING, Phase.REVEAL, Phase.AGGREGATION, Phase.CLOSING])
def test_bonded_it_rests_outside_evaluation(story, phase):
    tale = story().enrol(2).start()
    if phase is not Phase.TRAINING:
        tale.phase(phase)
    assert _wants(tale.state, final=tale.state) == []


def test_it_does_not_bond_at_the_end(story):
    tale = story(evaluators=2).enrol(1).start().phase(Phase.CLOSING)
    assert _wants(tale.state, me=SECOND, final=tale.state) == []


def test_it_scores_exactly_the_revealed_updates(story):
    state = _revealed(story()).state
    (work,) = _wants(state, final=state)
    assert work == _evaluate(state)
    assert [index for index, _ in work.updates] == [0, 2]


def test_scores_wait_for_the_final_set_of_updates(story, scored):
    tale = story()
    state = _revealed(tale).state
    work = _evaluate(state)
    earlier = story().enrol(3).start().state
    for final in (None, earlier, dataclasses.replace(state, round=0)):
        assert _wants(state, {work: scored}, final=final) == [work]


def test_it_posts_scores_in_index_order(story, scored):
    state = _revealed(story()).state
    work = _evaluate(state)
    kept, post = _wants(state, {work: scored}, final=state)
    assert kept == work
    assert (post.round, post.name) == (1, "evaluate")
    assert post.call == calls.submit_evaluation(
        state.address, round_number=1, scores=[-10, 30], model=scored.model, report=scored.report
    )


def test_another_set_of_updates_is_another_work(story, scored):
    tale = _revealed(story())
    work = _evaluate(tale.state)
    tale.submit(1, "b")
    (again,) = _wants(tale.state, {work: scored}, final=tale.state)
    assert again != work
    taken_over = _revealed(story()).submit(1, "a")  # committed before member 0, whose digest it is
    assert not taken_over.state.current.updates[0].owned
    assert _evaluate(taken_over.state).updates[0] != work.updates[0]


def test_what_is_posted_is_not_posted_again(story, scored):
    tale = _revealed(story())
    work = _evaluate(tale.state)
    tale.evaluate([-10, 30], 900)
    assert _wants(tale.state, {work: scored}, final=tale.state) == []


def test_a_standby_acts_only_when_its_turn_has_come_and_a_removed_one_no_more(story):
    tale = story(evaluators=2)
    tale.tell(e.EvaluatorBonded, evaluator=1, account=SECOND.address, bond=900, validation_commitment=b"")
    _revealed(tale)
    assert _wants(tale.state, me=SECOND, final=tale.state) == []
    assert len(_wants(tale.state, final=tale.state)) == 1
    tale.tell(e.EvaluatorRemoved, round=1, evaluator=0, slashed=450)
    assert _wants(tale.state, final=tale.state) == []
    assert _wants(tale.state, me=SECOND, final=tale.state) == [_evaluate(tale.state)]


def test_by_score_order_it_names_the_next_cohort(story, scored):
    state = _revealed(story(selection=Selection.SCORE_ORDER, cohort_size=2)).state
    *_, post = _wants(state, {_evaluate(state): scored}, final=state)
    ranking = to_bitmap([1, 2], 3)  # the unscored has its chance, then the best
    assert post.call == calls.submit_evaluation(
        state.address,
        round_number=1,
        scores=[-10, 30],
        model=scored.model,
        report=scored.report,
        ranking=ranking,
    )


def _ended(tale):
    _revealed(tale).evaluate([1, 2], 900).finalise("m")
    return tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)


def test_at_the_end_it_opens_its_set_then_takes_its_bond_then_rests(story):
    tale = _ended(story())
    assert _wants(tale.state) == [], "an end that is only seen could be undone"
    (opening,) = _wants(tale.state, final=tale.state)
    task = tale.state.address
    assert opening.call == calls.open_validation(task, evaluator=0, digest=b"d" * 32, salt=ME.salt(task))
    tale.tell(e.ValidationOpened, evaluator=0, digest=b"d" * 32, salt=ME.salt(task))
    (withdrawal,) = _wants(tale.state, final=tale.state)
    assert withdrawal.call == calls.withdraw_bond(task, evaluator=0)
    tale.tell(e.BondReturned, evaluator=0, amount=900)
    assert _wants(tale.state, final=tale.state) == []


def test_in_a_named_audit_its_set_stays_closed(story):
    tale = _ended(story(public_audit=False))
    (withdrawal,) = _wants(tale.state, final=tale.state)
    assert withdrawal.name == "withdraw_bond"


def test_who_never_served_or_never_bonded_has_nothing_to_open(story):
    tale = story(evaluators=2).enrol(1).tell(e.TaskCancelled, reason=CancelReason.TOO_FEW_TRAINERS)
    assert [action.name for action in _wants(tale.state, final=tale.state)] == ["withdraw_bond"]
    assert _wants(tale.state, final=tale.state, me=SECOND) == []


@pytest.mark.asyncio
async def test_model_and_report_are_in_the_store_before_scores_are_posted(story, content):
    store = MemoryStore()
    outcome = RoundEvaluation(
        scores={0: 5, 2: 0},
        weights={0: 12},
        rejected={2: "wrong_digest"},
        validation_loss={0: 0.5},
        evidence={0: {"freshness": 4.0}},
        sanctions=((2, 3, 2),),
        model=b"model bytes",
        start_loss=2.0,
        start_accuracy=0.1,
        loss=1.0,
        accuracy=0.6,
    )

    async def evaluate(**_):
        return outcome

    async def specification(_):
        return SimpleNamespace(reported_samples=None)

    evaluator = Evaluator(
        identity=ME,
        rounds=SimpleNamespace(evaluate=evaluate),
        validation_samples=40,
        services=SimpleNamespace(
            store=store,
            retrieval=SimpleNamespace(specification=specification),
            observer=SimpleNamespace(decided=lambda **_: None),
        ),
    )
    work = Evaluate(
        round=1,
        specification=content("s"),
        start=content("start"),
        updates=((0, UpdateRecord(content=content("a"), position=0)),),
        max_update_size=10,
        state=story().enrol(3).start().state,
    )
    posted = await evaluator.perform(work)
    data = b"".join([part async for part in store.get(posted.report)])
    report = EvaluationReport.decode(data)
    assert b"".join([part async for part in store.get(posted.model)]) == b"model bytes"
    assert (report.round, report.model, report.start_model) == (1, posted.model, content("start"))
    assert (report.scores, report.rejected, report.weights) == ({0: 5, 2: 0}, {2: "wrong_digest"}, {0: 12})
    assert report.validation_samples == 40
    assert (report.evidence, report.sanctions) == (outcome.evidence, outcome.sanctions)
    assert (posted.scores, posted.sanctions) == (outcome.scores, outcome.sanctions)
