# SPDX-License-Identifier: Apache-2.0
"""Dishonest evaluators: the harm they can do, what bounds it, and that the audit names them (E6, E7, E8)."""

from __future__ import annotations

import pytest

from bcfl.contracts.phases import Phase

pytestmark = pytest.mark.anvil

SCHEDULE = {"training_s": 500, "reveal_s": 300, "evaluation_s": 400}
FIXED = {"mode": "round_budget", "per_round": "10", "budget": "20"}


def _judge(behaviour, **options):
    return {"name": "mallory", "behaviour": behaviour, **options}


def _population(honest):
    return [*honest("bob charlie"), *honest("eve", group="friends")]


@pytest.fixture(scope="module")
def fair(play, honest):
    return play(_population(honest), reward=FIXED)


def test_a_withholder_costs_a_window_and_half_its_bond_and_the_standby_takes_over(play, honest):
    played = play(
        _population(honest),
        evaluators=(_judge("withholder"), {"name": "alice"}),
        schedule=SCHEDULE,
        reward=FIXED,
    )
    mallory, alice = played.state.evaluators
    assert mallory.removed
    assert not alice.removed
    assert played.state.slashed == 5 * 10**9  # half of the bond, which is a round's budget
    assert 400 <= played.lasted(Phase.EVALUATION) <= 405
    assert [record.evaluator for record in played.state.rounds.values()] == [1, 1]
    assert played.finalised == 2
    assert played.improved
    # The slashed half is the trainers'.
    assert played.tokens("bob", "charlie", "eve") == 25 * 10**18


def test_where_the_publisher_names_an_aggregator_an_equivocators_model_never_counts(play, honest):
    fair = play(_population(honest), aggregator_role="builder")
    hostile = play(
        _population(honest),
        evaluators=(_judge({"name": "equivocator", "noise": 0.5}),),
        aggregator_role="builder",
    )
    assert hostile.summary.final.cid == fair.summary.final.cid


def test_a_withholder_alone_ends_the_task_and_those_who_worked_are_paid(play, honest):
    played = play(_population(honest), evaluators=(_judge("withholder"),), schedule=SCHEDULE, reward=FIXED)
    assert played.summary.status == "cancelled"
    shares = {played.tokens(name) for name in ("bob", "charlie", "eve")}
    assert max(shares) - min(shares) <= 10**9 * 3
    assert min(shares) >= 5 * 10**18


def test_a_self_dealer_takes_all_and_no_more_than_the_rounds_pay(play, honest, fair):
    played = play(
        _population(honest),
        evaluators=(_judge("self_dealer", group="friends"),),
        reward=FIXED,
    )
    assert fair.share("eve") < 0.5
    assert played.share("eve") == 1
    assert played.tokens("eve") == 20 * 10**18  # both rounds' budgets, which bound it
    subjects = {finding.subject for finding in played.audit().findings}
    assert {"score of bob", "score of charlie", "score of eve"} <= subjects


def _judged_by(behaviour, play, honest, seed=1):
    return play(
        _population(honest), evaluators=(_judge(behaviour, group="friends"),), reward=FIXED, seed=seed
    )


def _named(played):
    """Rounds in which the audit names a score."""
    return {found.round for found in played.audit().findings if found.subject.startswith("score of")}


def test_a_bias_moves_at_least_a_tenth_of_the_reward_and_the_audit_names_it(play, honest, lower_bound):
    biased = {"name": "bias", "bonus": 0.1}
    assert _named(_judged_by(biased, play, honest)) == {1, 2}

    def gain(seed):
        truth = play(_population(honest), reward=FIXED, seed=seed)
        return _judged_by(biased, play, honest, seed).share("eve") - truth.share("eve")

    assert lower_bound(gain) > 0.1


def test_an_inverter_pays_nobody_takes_nothing_and_the_audit_names_it(play, honest):
    """E7. Scores below zero pay nothing, and nothing is owed for them."""
    played = _judged_by("inverter", play, honest)
    assert played.finalised == 2
    assert all(score < 0 for round_ in played.rounds for score in round_.scores.values())
    assert all(member.earned == 0 for member in played.state.members.values())
    assert int(played.summary.tokens.returned) == int(played.summary.tokens.budget)
    assert played.improved  # here scores pay, and samples weigh in the aggregate
    assert _named(played) == {1, 2}


def test_random_scores_make_the_pay_of_equals_a_lottery_and_the_audit_names_it(play, honest, fair):
    played = _judged_by({"name": "random_scores", "highest": 0.5}, play, honest)
    trainers = ("bob", "charlie", "eve")

    def spread(run):
        return max(run.share(name) for name in trainers) - min(run.share(name) for name in trainers)

    assert spread(played) > spread(fair) + 0.1
    assert _named(played) == {1, 2}


def test_an_honest_evaluator_passes_the_audit(fair):
    assert fair.audit().findings == ()


@pytest.mark.parametrize("what", ["model", "unavailable"])
def test_another_model_than_the_updates_give_costs_a_round_and_the_bond(play, honest, what):
    """More than two thirds of those who revealed object: the model reverts and the standby takes over."""
    equivocator = {"name": "equivocator", "what": what, "noise": 10.0}
    played = play(
        _population(honest),
        rounds=4,
        evaluators=(_judge(equivocator), {"name": "alice"}),
        schedule=SCHEDULE,
        reward={**FIXED, "budget": "40"},
    )
    mallory, alice = played.state.evaluators
    assert mallory.removed
    assert mallory.bond == 0
    assert not alice.removed
    assert [record.evaluator for record in played.state.rounds.values()][2:] == [1, 1]
    assert played.summary.status == "completed"
    assert played.improved
    earned = sum(member.earned for member in played.state.members.values())
    assert earned == (3 * 10 + 10) * 10**9  # three rounds that were scored, and the bond
    reasons = {record["reason"] for record in played.records if record["event"] == "object"}
    assert reasons == {f"model_{'mismatch' if what == 'model' else 'unavailable'}"}
    assert {found.round for found in played.audit().findings} == {1}  # the evaluation it was removed for


def test_an_ejector_is_out_after_one_round_and_leaves_the_minimum_and_everybodys_pay(play, honest):
    """No defence can have found harm in updates that the same report weighs."""
    played = play(
        [*honest("a b c d"), *honest("eve", group="friends")],
        rounds=4,
        evaluators=(_judge("ejector", group="friends"), {"name": "alice"}),
        membership={"minimum": 2},
        reward={"mode": "round_budget", "per_round": "10", "budget": "40"},
    )
    mallory, alice = played.state.evaluators
    assert (mallory.removed, alice.removed) == (True, False)
    found = [record for record in played.records if record["event"] == "object"]
    assert {(record["round"], record["reason"]) for record in found} == {(1, "sanction_unfounded")}
    first = played.state.rounds[1]
    assert len(first.suspended) == 3  # of four: the minimum stays
    assert not any(record.ejected for record in played.state.rounds.values())
    assert all(first.credits[played.index(name)] > 0 for name in "abcd")
    assert played.share("eve") < 0.8
