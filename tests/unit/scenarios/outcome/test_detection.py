# SPDX-License-Identifier: Apache-2.0
"""Metrics from event logs written by hand."""

from __future__ import annotations

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.event_codec import event_to_json
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind, Phase, Reason
from bcfl.scenarios.outcome.detection import reason_name
from bcfl.scenarios.outcome.results import results_of
from bcfl.scenarios.outcome.run_log import GOALS_MEASURED
from bcfl.scenarios.outcome.summary import Liveness, Suspension, Timings

FACTORY = Address("0x00000000000000000000000000000000000000F0")
TASK = Address("0x00000000000000000000000000000000000000A5")
TOKEN = Address("0x00000000000000000000000000000000000000C0")
# The fixture ``origin`` gives block n the time 1000 + n.
TOKENS = 10**9
"""Credits in a token."""


def account(number: int) -> Address:
    return Address(f"0x{number:040x}")


PEOPLE = {"publisher": account(0xB0), "alice": account(0xE0), "ann": account(1), "ben": account(2)}
PEOPLE |= {"cyd": account(3), "dan": account(4)}
TRAINERS = ("ann", "ben", "cyd", "dan")


class Log:
    """Records as a run writes them; ``at`` is the next event's block."""

    def __init__(self, origin, content, *, behaviours=None, stake=0, rounds=3):
        self.origin, self.content = origin, content
        self.at, self.index = 1, 0
        roles = {"publisher": "publisher", "alice": "evaluator"}
        people = {
            name: {
                "role": roles.get(name, "trainer"),
                "address": address,
                "behaviour": (behaviours or {}).get(name, "honest"),
            }
            for name, address in PEOPLE.items()
        }
        self.records = [{"event": "run_started", "source": "runner", "participants": people}]
        config = TaskConfig(
            token=TOKEN,
            publisher=PEOPLE["publisher"],
            specification=content("specification"),
            genesis=content("genesis"),
            rounds=rounds,
            capacity=10,
            min_trainers=1,
            max_update_size=1000,
            schedule=Schedule(enrolment=10),
            round_budget=900,
            stake=stake,
        )
        self.chain(
            e.TaskCreated,
            _address=FACTORY,
            task=TASK,
            publisher=PEOPLE["publisher"],
            token=TOKEN,
            kind=Kind.CROWDSOURCING,
            config=config,
            evaluators=(PEOPLE["alice"],),
            budget=100 * TOKENS,
        )
        self.chain(
            e.EvaluatorBonded,
            evaluator=0,
            account=PEOPLE["alice"],
            bond=900,
            validation_commitment=b"v" * 32,
        )
        for index, name in enumerate(TRAINERS):
            self.chain(e.TrainerJoined, index=index, account=PEOPLE[name], stake=stake)

    def chain(self, event_kind, *, _address=TASK, **fields):
        event = event_kind(origin=self.origin(self.at, self.index, _address), **fields)
        self.index += 1
        self.records.append({"source": "chain", "block": self.at, "time": 0, **event_to_json(event)})
        return self

    def decided(self, name, event, number, **evidence):
        role = "evaluator" if name == "alice" else "trainer"
        self.records.append({"source": name, "event": event, "round": number, "role": role, **evidence})
        return self

    def scored(self, number, **found):
        numbers = dict.fromkeys(("start_loss", "start_accuracy", "loss", "accuracy"))
        tables = {"validation_loss": {}, "rejected": {}, "evidence": {}}
        return self.decided("alice", "scored", number, **(numbers | tables | found))

    def start(self, number, *, deadline=5000):
        model = self.content("genesis") if number == 1 else self.content(f"model {number - 1}")
        return self.chain(e.RoundStarted, round=number, model=model, deadline=deadline, cohort=(0, 1, 2, 3))

    def play(self, number, earnings, *, suspend=None, eject=None, model=None):
        """A round in which members are credited, suspended and ejected (index to reason)."""
        self.start(number)
        for index in earnings:
            content = self.content((number, index))
            self.chain(e.UpdateSubmitted, round=number, index=index, content=content, position=index)
        self.chain(
            e.EvaluationSubmitted,
            round=number,
            evaluator=0,
            report=self.content("report"),
            payout=sum(earnings.values()),
            scores=tuple(earnings.values()),
        )
        for index, (reason, forfeited) in (eject or {}).items():
            self.chain(
                e.TrainerEjected,
                round=number,
                index=index,
                reason=reason,
                evidence=b"r" * 32,
                forfeited=forfeited,
            )
        for index, reason in (suspend or {}).items():
            self.chain(
                e.TrainerSuspended,
                round=number,
                index=index,
                until_round=number + 5,
                reason=reason,
                evidence=b"r" * 32,
            )
        content = model or self.content(f"model {number}")
        return self.chain(e.RoundFinalized, round=number, model=content, payout=sum(earnings.values()))

    def end(self):
        return self.chain(e.TaskCompleted)

    @property
    def results(self):
        return results_of(self.records)

    @property
    def summary(self):
        return self.results.summary(scenario="s", seed=0, timings=Timings(total_s=0.0))

    @property
    def found(self):
        return self.summary.detection


@pytest.fixture
def log(origin, content):
    def begun(**options) -> Log:
        return Log(origin, content, **options)

    return begun


def one_of_two_found(log) -> Log:
    """cyd and dan misbehave from rounds 1 and 2; dan is ejected in round 3, and ann, who is honest, in round 2."""
    made = log(behaviours={"cyd": "sign_flip", "dan": "replay_global"})
    for number in (1, 2, 3):
        made.decided("cyd", "misbehaving", number)
    made.decided("dan", "misbehaving", 2).decided("dan", "misbehaving", 3)
    earnings = dict(enumerate((4 * TOKENS, 4 * TOKENS, TOKENS, TOKENS)))
    made.play(1, earnings, suspend={0: Reason.NO_NEW_WORK})
    made.play(2, {1: TOKENS, 2: TOKENS, 3: 0}, eject={0: (4, 4 * TOKENS)}, suspend={3: Reason.COPIED})
    made.play(3, {1: TOKENS, 2: 0}, eject={3: (Reason.COPIED, 0)})
    return made.end()


def test_ratios_count_trainers(log):
    found = one_of_two_found(log).found
    assert (found.adversaries, found.honest) == (2, 2)
    assert (found.ejected_adversaries, found.ejected_honest) == (1, 1)
    assert (found.precision, found.recall, found.f1, found.false_ejection_rate) == (0.5, 0.5, 0.5, 0.5)


def test_rounds_to_eject_count_both_ends(log):
    found = one_of_two_found(log).found
    assert found.first_misbehaviour == {"cyd": 1, "dan": 2}
    assert found.rounds_to_eject == {"cyd": None, "dan": 2}


def test_an_ejection_in_the_first_bad_round_takes_one(log):
    made = log().decided("ann", "misbehaving", 1)
    made.play(1, {0: 0, 1: TOKENS}, eject={0: (Reason.INVALID_UPDATE, 0)})
    assert made.found.rounds_to_eject == {"ann": 1}


def test_pay_is_what_was_credited_and_kept(log):
    # ann keeps nothing of 4, ben has 6, cyd 2, dan 1
    found = one_of_two_found(log).found
    assert found.reward_share == pytest.approx(3 / 9)
    assert found.relative_pay == pytest.approx(1.5 / 3)
    assert found.honest_return == str(3 * 10**18)
    assert found.return_on_misbehaviour == {"cyd": str(-(10**18)), "dan": str(-2 * 10**18)}


def test_a_stake_that_was_lost_is_a_cost(log):
    made = log(stake=2 * TOKENS, rounds=1).decided("ann", "misbehaving", 1)
    made.play(1, {0: 3 * TOKENS, 1: 3 * TOKENS, 2: 3 * TOKENS, 3: 3 * TOKENS})
    made.chain(e.StakeSlashed, round=1, index=0, amount=2 * TOKENS).end()
    for index in (1, 2, 3):
        made.chain(e.StakeReturned, index=index, amount=2 * TOKENS)
    found = made.found
    assert found.honest_return == str(3 * 10**18)
    assert found.return_on_misbehaviour == {"ann": str(-2 * 10**18)}
    assert found.reward_share == 0.25


def test_large_amounts_stay_exact(log):
    made = log(rounds=1).decided("ann", "misbehaving", 1)
    made.play(1, {0: 2**62 + 1, 1: 2**62, 2: 2**62, 3: 2**62})
    assert made.found.return_on_misbehaviour == {"ann": str(10**9)}


def test_without_adversaries_only_mistakes_are_measured(log):
    made = log().play(1, {0: TOKENS, 1: TOKENS}).play(2, {1: TOKENS}, eject={0: (Reason.HARMFUL, 0)})
    found = made.found
    assert (found.precision, found.recall, found.f1) == (0.0, None, 0.0)
    assert found.false_ejection_rate == 0.25
    assert (found.reward_share, found.relative_pay) == (0.0, None)


def test_where_nothing_happens_nothing_is_wrong(log):
    found = log().found
    assert (found.precision, found.recall, found.f1, found.false_ejection_rate) == (None, None, None, 0.0)
    assert (found.reward_share, found.relative_pay, found.return_on_misbehaviour) == (0.0, None, {})


def test_a_behaviour_that_never_acted_was_honest(log):
    made = log(behaviours={"dan": "sign_flip"}).play(1, {3: TOKENS}, eject={3: (Reason.HARMFUL, 0)})
    assert (made.found.adversaries, made.found.ejected_honest) == (0, 1)


def test_where_all_misbehave_there_is_nothing_to_compare_with(log):
    made = log()
    for name in TRAINERS:
        made.decided(name, "misbehaving", 1)
    found = made.play(1, {0: TOKENS}).found
    assert found.false_ejection_rate is None
    assert found.honest_return is None
    assert found.return_on_misbehaviour == dict.fromkeys(TRAINERS)
    assert found.reward_share == 1.0


def test_who_never_joined_does_not_count(log):
    made = log()
    made.records = [
        record for record in made.records if not (record["event"] == "TrainerJoined" and record["index"] == 3)
    ]
    assert made.found.honest == 3


def test_each_sanction_has_its_round_and_reason(log):
    summary = one_of_two_found(log).summary
    dan, ann = summary.participants["dan"], summary.participants["ann"]
    assert dan.suspensions == (Suspension(round=2, until_round=7, reason="copied"),)
    assert (dan.ejected_round, dan.ejected_reason, dan.behaviour) == (3, "copied", "replay_global")
    assert (ann.ejected_round, ann.ejected_reason) == (2, "no_new_work")
    assert summary.rounds[1].reasons == {"ann": "no_new_work", "dan": "copied"}
    assert summary.participants["ben"].suspensions == ()


def test_what_a_reorganisation_took_back_does_not_count(log):
    made = log().play(1, {0: TOKENS, 1: TOKENS})
    made.at = 9
    made.play(2, {1: TOKENS}, eject={0: (Reason.HARMFUL, 0)})
    assert made.found.ejected_honest == 1
    made.records.append({"source": "chain", "event": "retracted", "blocks": [9]})
    made.at = 10
    made.play(2, {1: TOKENS}, suspend={0: Reason.COPIED})
    summary = made.summary
    assert summary.detection is not None
    assert summary.detection.ejected_honest == 0
    assert summary.rounds[1].reasons == {"ann": "copied"}


def test_liveness_counts_rounds_and_the_time_after_deadlines(log):
    made = log(rounds=2)  # created at 1001, enrolment until 1011
    made.at = 20
    made.start(1, deadline=1030)  # 9 late
    made.at = 25
    made.chain(e.PhaseStarted, round=1, phase=Phase.EVALUATION, deadline=1040)  # early
    made.at = 45
    made.chain(e.RoundFinalized, round=1, model=made.content("genesis"), payout=0)
    made.chain(e.PhaseStarted, round=1, phase=Phase.CLOSING, deadline=1100)  # 5 late
    made.at = 101
    made.end()  # 1 late
    assert made.found.liveness == Liveness(rounds_planned=2, rounds_finalised=1, rounds_void=1, overdue_s=15)


def test_a_silent_evaluator_and_one_that_was_objected_to_are_told_apart(log):
    made = log().start(1)
    made.chain(e.EvaluatorRemoved, round=1, evaluator=0, slashed=100)
    alice = made.summary.participants["alice"]
    assert (alice.removed_round, alice.removed_reason) == (1, "silent")

    made = log().play(1, {0: TOKENS})
    made.chain(e.EvaluationReverted, round=1, evaluator=0, successor=0, accused=True)
    summary = made.summary
    assert summary.participants["alice"].removed_reason == "objections"
    assert summary.rounds[0].overturned
    assert summary.detection is not None
    assert summary.detection.liveness is not None
    assert summary.detection.liveness.rounds_void == 1


def test_objections_on_chain_have_the_reasons_of_the_log(log):
    made = log().play(1, {0: TOKENS, 1: TOKENS, 2: TOKENS})
    for index in (0, 2):
        made.chain(e.Objected, round=1, index=index, blames=True)
    made.decided("ann", "object", 1, reason="model_harmful", blames=False)
    made.decided("ben", "object", 1, reason="model_mismatch", blames=True)  # not in time
    assert made.summary.rounds[0].objections == {"ann": "model_harmful", "cyd": "unknown"}


def test_an_overturned_model_is_not_the_final_one(log):
    made = log().play(1, {0: TOKENS}).play(2, {0: TOKENS})
    for number, loss in ((1, 0.5), (2, 0.1)):
        made.scored(number, loss=loss, accuracy=1 - loss, start_loss=2.0)
    assert made.summary.final.loss == 0.1
    made.chain(e.EvaluationReverted, round=2, evaluator=0, successor=0, accused=False)
    assert made.summary.participants["alice"].removed_reason is None, "it stays: there is no other"
    assert (made.summary.final.loss, made.summary.final.accuracy) == (0.5, 0.5)


def test_evidence_is_by_name(log):
    made = log().play(1, {0: TOKENS, 2: TOKENS})
    made.scored(1, evidence={"0": {"suspicion": 1.5}, "2": {"suspicion": None}})
    assert made.results.evidence(1) == {"ann": {"suspicion": 1.5}, "cyd": {"suspicion": None}}


def test_the_rounds_of_misbehaviour_are_the_truth(log):
    assert one_of_two_found(log).results.misbehaving("dan") == (2, 3)
    assert one_of_two_found(log).results.misbehaving("ben") == ()


def test_what_attacks_achieved_is_the_best_of_them(log):
    made = log()
    assert made.summary.final.backdoor_success is None
    made.records.append({"event": GOALS_MEASURED, "source": "runner", "success": {"cyd": 0.1, "dan": 0.75}})
    assert made.summary.final.backdoor_success == 0.75


def test_reasons_are_words_and_unknown_ones_numbers():
    assert reason_name(Reason.NO_NEW_WORK) == "no_new_work"
    assert reason_name(99) == "reason_99"


def test_a_reader_of_the_log_finds_the_same_detection_as_the_run(log):
    made = one_of_two_found(log)
    live = results_of(())
    for record in made.records:
        live.take(record)
    again = made.summary
    assert live.summary(scenario="s", seed=0, timings=Timings(total_s=0.0)) == again
