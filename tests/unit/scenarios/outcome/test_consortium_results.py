# SPDX-License-Identifier: Apache-2.0
"""The tables of a consortium from an event log written by hand."""

from __future__ import annotations

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.event_codec import event_to_json
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind, Phase
from bcfl.scenarios.outcome.results import results_of
from bcfl.scenarios.outcome.run_log import MEMBERS_MEASURED, MODELS_MEASURED
from bcfl.scenarios.outcome.summary import Performance, Timings
from bcfl.storage.content_id import cid_text

UNIT = 10**9
NAMES = ("ann", "ben", "cyd")


def members():
    people = {
        "publisher": {"role": "publisher", "address": Address("0x0000000000000000000000000000000000000B0B")}
    }
    for place, name in enumerate(NAMES):
        people[name] = {
            "role": "member",
            "address": Address(f"0x{place + 1:040x}"),
            "behaviour": "honest",
            "judge": "withholder" if name == "cyd" else "honest",
            "flipped": 0.2 if name == "ben" else 0.0,
            "samples": 80,
            "held_out": 20,
        }
    return people


class Log:
    """A consortium's records as a run writes them."""

    def __init__(self, story):
        self.tale = story(
            kind=Kind.CONSORTIUM, evaluators=3, rate=0, evaluation_pool=90, tolerance=10**9, bond=50
        )
        self.records = [
            {"event": "run_started", "source": "runner", "participants": members()},
            {"source": "chain", **event_to_json(self.tale.created)},
        ]
        made = self.tale.event

        def event(kind, **fields):
            told = made(kind, **fields)
            self.records.append({"source": "chain", **event_to_json(told)})
            return told

        self.tale.event = event

    def say(self, name, event, number=1, **evidence):
        self.records.append({"event": event, "source": name, "role": "member", "round": number, **evidence})

    def measured(self, event, **found):
        self.records.append({"event": event, "source": "runner", **found})

    @property
    def results(self):
        return results_of(self.records)

    def summary(self):
        return self.results.summary(scenario="s", seed=1, timings=Timings(total_s=0.0))


@pytest.fixture
def log(story):
    """Ann and Ben have judged and opened, Cyd has committed scores and kept them to itself."""
    made = Log(story)
    tale = made.tale.enrol(3).start().commit(0, 1, 2).phase(Phase.REVEAL)
    tale.submit(0, "a").submit(1, "b").submit(2, "c").phase(Phase.EVALUATION)
    for index in range(3):
        tale.opine(index)
    tale.phase(Phase.SCORE_REVEAL).open_scores(0, (3, 1)).open_scores(1, (3, 1))
    tale.tell(e.BondSlashed, round=1, index=2, amount=50)
    tale.settle(713, (UNIT // 2, UNIT // 4, UNIT // 4), (30, 20)).phase(Phase.AGGREGATION)
    tale.vote_model(0, "model").vote_model(1, "model").finalise("model", 763)
    made.say("ann", "trained", loss=0.7, samples=9, steps=3)
    made.say(
        "ann", "judged", loss=2.0, accuracy=0.25, samples=9, rejected={"2": "malformed"}, scores={}, probe=""
    )
    made.say("ben", "judged", loss=None, accuracy=0.5, samples=9, rejected={}, scores={}, probe="")
    made.say("ann", "aggregated", weights={"0": 80, "1": 40, "2": 40}, cid="")
    return made


def test_a_round_says_how_its_scores_and_its_model_came_about(log, content):
    round_ = log.results.round(1)
    assert round_.scores == {"ann": 0.5, "ben": 0.25, "cyd": 0.25}
    # what would have been Cyd's stays in the escrow
    assert {name: int(amount) for name, amount in round_.tokens.items()} == {
        "ann": 476 * UNIT,  # with what is left over
        "ben": 237 * UNIT,
        "cyd": 0,
    }
    assert round_.local_loss == {"ann": 0.7}
    assert round_.rejected == {"cyd": "malformed"}
    agreement = round_.agreement
    assert agreement.settled
    assert agreement.evaluation_tokens == {"ann": str(30 * UNIT), "ben": str(20 * UNIT)}
    assert agreement.judged_loss == {"ann": 2.0, "ben": None}
    assert agreement.judged_accuracy == {"ann": 0.25, "ben": 0.5}
    assert (agreement.not_judged, agreement.not_opened) == ((), ("cyd",))
    assert agreement.votes == dict.fromkeys(("ann", "ben"), cid_text(content("model")))
    assert agreement.not_voted == ("cyd",)
    assert agreement.model == cid_text(content("model"))
    assert agreement.weights == {"ann": 80, "ben": 40, "cyd": 40}


def test_losses_are_those_that_the_runner_measured(log):
    assert log.results.round(1).global_loss is None
    log.measured(
        MODELS_MEASURED,
        models={"0": {"loss": 2.3, "accuracy": 0.1}, "1": {"loss": 1.5, "accuracy": 0.5}},
    )
    summary = log.summary()
    assert (summary.genesis.loss, summary.genesis.accuracy) == (2.3, 0.1)
    assert (summary.rounds[0].global_loss, summary.rounds[0].global_accuracy) == (1.5, 0.5)
    assert (summary.final.loss, summary.final.accuracy) == (1.5, 0.5)


def test_a_members_tokens_contribution_and_gain(log):
    found = {"accuracy": 0.8, "auroc": None, "loss": 0.4, "samples": 30}
    log.measured(
        MEMBERS_MEASURED,
        members={
            "ann": {"own_test": True, "alone": None, "pooled": None, "federated": found, "alone_on_all": None}
        },
    )
    told = log.summary().members
    assert list(told) == list(NAMES)
    assert (told["ann"].training_tokens, told["ann"].judging_tokens) == (str(476 * UNIT), str(30 * UNIT))
    assert [member.contribution for member in told.values()] == [0.5, 0.25, 0.25]
    assert told["ann"].own_test
    assert told["ann"].federated == Performance(accuracy=0.8, auroc=None, loss=0.4, samples=30)
    assert (told["ben"].flipped, told["ben"].federated, told["cyd"].judge) == (0.2, None, "withholder")
    assert (told["cyd"].samples, told["cyd"].held_out) == (80, 20)


def test_a_lost_bond_counts_as_a_loss(log):
    log.say("cyd", "misbehaving")
    found = log.summary().detection
    # Ann has 506 and Ben 257 credits more than before, Cyd a bond of 50 less
    assert found.honest_return == str(763 * UNIT // 2)
    assert found.return_on_misbehaviour == {"cyd": str(-(2 * 50 + 763) * UNIT // 2)}


def test_an_equal_split_and_a_model_that_was_kept(story):
    made = Log(story)
    tale = made.tale.enrol(3).start().commit(0, 1, 2).phase(Phase.REVEAL)
    tale.submit(0, "a").submit(1, "b").phase(Phase.EVALUATION).opine(0)
    tale.settle(900).phase(Phase.AGGREGATION).finalise(None, 900)
    made.say("ann", "aggregated", weights={"0": 1, "1": 1}, cid="")
    round_ = made.results.round(1)
    assert round_.scores == {}
    assert {name: int(amount) // UNIT for name, amount in round_.tokens.items()} == {"ann": 450, "ben": 450}
    assert round_.rejected == {"cyd": "not_revealed"}
    agreement = round_.agreement
    assert not agreement.settled
    assert agreement.not_judged == ("ben", "cyd")
    assert agreement.not_voted == NAMES
    assert (agreement.model, agreement.weights) == (None, {})
    assert [member.contribution for member in made.summary().members.values()] == [None] * 3


def test_a_void_round_blames_nobody_for_not_judging(story):
    made = Log(story)
    made.tale.enrol(3).start().finalise(None)
    agreement = made.results.round(1).agreement
    assert (agreement.not_judged, agreement.not_voted) == ((), ())


def test_a_member_who_never_joined_has_a_table_of_nothing(story):
    made = Log(story)
    made.tale.enrol(2).start().finalise(None)
    told = made.summary().members
    assert (told["cyd"].training_tokens, told["cyd"].contribution) == ("0", None)
