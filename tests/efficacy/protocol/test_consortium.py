# SPDX-License-Identifier: Apache-2.0
"""Members who judge dishonestly, or on bad data: what it brings them, and what it changes for the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bcfl.agents.common.behaviour import Honest
from bcfl.contracts.phases import Phase
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import encode
from bcfl.registry import register

pytestmark = pytest.mark.anvil

SCHEDULE = {"training_s": 500, "reveal_s": 300, "evaluation_s": 400, "aggregation_s": 200}
NAMES = "ann ben cat dan eve"


def _members(honest, **changed):
    """Five of them; ``eve={...}`` changes one."""
    return [{**entry, **changed.get(entry["name"], {})} for entry in honest(NAMES)]


def _pay(played, name):
    """What a member got for judging, in base units."""
    return int(played.summary.members[name].judging_tokens)


def _trained(played, *names):
    """The part of the pay for updates that these got, 0 to 1."""
    tokens = {name: int(member.training_tokens) for name, member in played.summary.members.items()}
    return sum(tokens[name] for name in names) / sum(tokens.values())


@pytest.fixture(scope="module")
def fair(confer, honest):
    return confer(_members(honest), schedule=SCHEDULE)


def test_members_judge_train_once_each_and_agree(fair):
    assert fair.summary.status == "completed"
    for name in NAMES.split():
        for action in ("commit", "reveal", "commit_scores", "reveal_scores"):
            exact = [
                record
                for record in fair.records
                if record["event"] == "transaction"
                and (record["source"], record["action"]) == (name, action)
                and record["status"] == "included"
            ]
            assert len(exact) == 2  # one a round
    for record in fair.state.rounds.values():
        assert len(record.vectors) == 5
        assert all(judge not in vector for judge, vector in record.vectors.items())
        assert set(record.model_votes.values()) == {record.model}
    assert fair.improved
    assert fair.audit().findings == ()


def test_whoever_has_worse_labels_earns_less_though_most_judges_have_bad_ones_too(confer, honest):
    members = _members(
        honest, ben={"flipped": 0.2}, cat={"flipped": 0.4}, dan={"flipped": 0.6}, eve={"flipped": 0.8}
    )
    runs = [confer(members, samples=3000, seed=seed) for seed in (1, 2, 3)]
    earned = [sum(_trained(played, name) for played in runs) for name in NAMES.split()]
    assert earned == sorted(earned, reverse=True)
    assert earned[0] > 3 * earned[4]


@pytest.mark.parametrize(
    "judge",
    [{"name": "copycat"}, {"name": "uniform"}, {"name": "random_scores"}],
    ids=lambda judge: judge["name"],
)
def test_who_does_not_look_is_not_paid_for_judging(judge, confer, honest, fair):
    played = confer(_members(honest, eve={"judge": judge}), schedule=SCHEDULE)
    assert _pay(fair, "eve") > 0
    assert _pay(played, "eve") == 0
    assert _pay(played, "ann") > 0
    subjects = {finding.subject for finding in played.audit().findings}
    assert "probe of eve" in subjects


def test_two_self_dealers_of_five_do_not_take_everything(confer, honest, fair):
    """Two of five are one more than tolerated for an honest target; one is not."""
    one = confer(_members(honest, eve={"judge": "self_dealer"}), schedule=SCHEDULE)
    assert _trained(one, "eve") <= 1.01 * _trained(fair, "eve") + 0.01
    assert _pay(one, "eve") < _pay(fair, "eve")


def test_a_captured_committee_settles_what_it_likes(confer, honest, fair):
    """Above the tolerated share: three of five give everything to each other, and say so in the open."""
    ring = {name: {"judge": "self_dealer", "group": "ring"} for name in ("cat", "dan", "eve")}
    played = confer(_members(honest, **ring), schedule=SCHEDULE)
    assert _trained(played, "cat", "dan", "eve") > 0.95
    assert _trained(fair, "cat", "dan", "eve") < 0.8
    assert any(finding.subject.startswith("score of") for finding in played.audit().findings)


def test_who_never_opens_its_scores_loses_bond_and_reward_and_delays_to_the_deadline(confer, honest):
    played = confer(
        _members(honest, eve={"judge": "withholder"}),
        schedule=SCHEDULE,
        membership={"bond": "3"},
    )
    assert played.summary.status == "completed"
    assert 300 <= played.lasted(Phase.SCORE_REVEAL) <= 305
    first = played.state.rounds[1]
    assert first.forfeiters == (played.index("eve"),)
    assert first.credits[played.index("eve")] == 0
    assert played.tokens("eve") == 0
    assert played.state.slashed == 3 * 10**9
    assert set(first.model_votes.values()) == {first.model}


def test_an_equivocators_vote_changes_nothing(confer, honest, fair):
    played = confer(_members(honest, ben={"judge": "equivocator"}), schedule=SCHEDULE)
    assert played.state.model == fair.state.model
    record = played.state.rounds[1]
    assert record.model_votes[played.index("ben")] != record.model
    assert played.lasted(Phase.AGGREGATION) < 20  # who stood by for ben saw that its vote was needed
    assert played.audit().findings == ()


def _rejected(played):
    """By round, whose update somebody rejected, and why."""
    return [record.rejected for record in played.rounds]


def test_honest_updates_are_nobody_elses(fair):
    assert _rejected(fair) == [{}, {}]


def test_a_colluders_copy_earns_nothing_and_its_owner_what_it_earned(confer, honest, fair):
    """The first commitment owns; without the rule the copy earned what its original did (ADR 6)."""
    ring = {"behaviour": "plagiarist", "group": "ring"}
    played = confer(_members(honest, ann=ring, eve=ring), schedule=SCHEDULE)
    copier = {name for record in played.rounds for name in record.rejected}
    assert copier == {"eve"}
    assert _trained(played, "eve") == 0
    assert _trained(played, "ann") > 0.5 * _trained(fair, "ann")
    assert played.audit().findings == ()


def test_the_start_model_under_other_bytes_earns_nothing(confer, honest):
    idle = {"behaviour": {"name": "replay_global", "sigma": 0.0}}
    played = confer(_members(honest, eve=idle), schedule=SCHEDULE)
    first = played.state.rounds[1]
    assert first.updates[played.index("eve")].content != first.start_model
    assert _rejected(played) == [{"eve": "digest_not_owned"}] * 2
    assert _trained(played, "eve") == 0


def test_the_same_bytes_again_earn_once(confer, honest, registered):
    @register("behaviour", "same_bytes")
    @dataclass(frozen=True, kw_only=True)
    class SameBytes(Honest):
        """One fixed update for ever."""

        misbehaves = True

        async def update(self, turn):
            generator = np.random.default_rng(0)
            return Weights(turn.start.schema, generator.normal(size=turn.start.schema.size).astype("f4"))

        def encode(self, turn, weights, metadata):
            return encode(weights, {**metadata, "round": "1", "start": "00"})

    played = confer(_members(honest, eve={"behaviour": "same_bytes"}), schedule=SCHEDULE)
    assert _rejected(played) == [{}, {"eve": "digest_not_owned"}]
    assert played.state.rounds[2].scores[played.index("eve")] == 0
    assert played.audit().findings == ()


def test_the_aggregators_word_counts_only_if_the_others_confirm_it(confer, honest, fair):
    calm = confer(_members(honest), schedule=SCHEDULE, aggregator_role="ben")
    assert calm.state.model == fair.state.model
    assert next(iter(calm.state.rounds[1].model_votes)) == calm.index("ben")
    hostile = confer(_members(honest, ben={"judge": "equivocator"}), schedule=SCHEDULE, aggregator_role="ben")
    assert hostile.summary.status == "cancelled"  # no model was agreed on, twice in a row
    assert hostile.state.model == hostile.state.config.genesis
    assert hostile.tokens("ann") > 0  # credits stand


def test_members_let_somebody_in_and_send_somebody_away_by_vote(confer, honest):
    ben = {"votes": [{"admit": "fay", "proposes": True}, {"since": 2, "expel": "dan", "proposes": True}]}
    others = {"votes": [{"admit": "fay"}, {"since": 2, "expel": "dan"}]}
    members = [*_members(honest, ann=others, ben=ben, cat=others, eve=others), *honest("fay", founder=False)]
    played = confer(members, rounds=4, samples=1800, schedule=SCHEDULE)
    assert played.summary.status == "completed"
    fay, dan = played.index("fay"), played.index("dan")
    cohorts = [record.cohort for record in played.state.rounds.values()]
    assert [fay in cohort for cohort in cohorts] == [False, True, True, True]
    assert [dan in cohort for cohort in cohorts] == [True, True, False, False]
    assert played.member("dan").ejected_round == 2
    assert played.member("fay").earned > 0
    assert {proposal.passed for proposal in played.state.proposals.values()} == {True}
    assert set(played.state.rounds[4].model_votes.values()) == {played.state.model}
    assert played.audit().findings == ()
