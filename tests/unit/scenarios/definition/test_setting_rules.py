# SPDX-License-Identifier: Apache-2.0
"""What a crowd and a consortium ask for, each refusal in one sentence that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcfl.contracts.phases import Kind
from bcfl.scenarios import errors
from bcfl.scenarios.definition.loading import load

QUICK = Path(__file__).parents[4] / "scenarios" / "quick.yaml"
CONSORTIUM = """\
name: small
task:
  kind: consortium
  rounds: 2
  network: {name: mlp, hidden: 8}
  reward: {mode: round_budget, per_round: "10", budget: "24"}
data:
  dataset: {name: synthetic, samples: 100}
population:
  trainers: [{name: anna}, {name: ben}, {name: cleo}]
"""


@pytest.fixture
def consortium(write):
    return write(CONSORTIUM)


def refused(path, *overrides):
    with pytest.raises(errors.ScenarioInvalid) as caught:
        load(path, overrides)
    assert "\n" not in str(caught.value)
    return caught.value.key, str(caught.value)


def test_members_are_the_trainers_and_nobody_evaluates_them(consortium):
    scenario = load(consortium)
    assert scenario.kind is Kind.CONSORTIUM
    assert scenario.evaluator_names == ()
    assert scenario.trainer_names == ("anna", "ben", "cleo")


def test_members_keep_what_belongs_to_whom_unless_the_contract_is_to(consortium):
    assert not load(consortium).unique_digests
    assert load(consortium, ["task.intake.unique_digests=true"]).unique_digests


def test_every_option_of_a_consortium_is_taken(consortium):
    scenario = load(
        consortium,
        [
            "task.aggregator_role=ben",
            'task.evaluation={pool: "1.5", tolerance: "0.25"}',
            'task.membership={bond: "0", stake: "1", capacity: 16}',
            "data.validation.share=0.5",
            "population.trainers.1={name: ben, judge: inverter, flipped: 1}",
            "baselines=[pooled, alone]",
        ],
    )
    assert scenario.task.aggregator_role == "ben"
    assert scenario.population.trainers[1].judge.name == "inverter"
    assert scenario.baselines == ("pooled", "alone")


CONSORTIUM_RULES = [
    (["population.evaluators=[{name: alice}]"], "population.evaluators", "judge each other"),
    (["population.trainers=[{name: anna}]", "task.membership.minimum=1"], "population.trainers", "2 to 16"),
    (["population.trainers=[{name: m, count: 17}]", "task.score=step"], "population.trainers", "2 to 16"),
    (["task.membership.capacity=17"], "task.membership.capacity", "at most 16"),
    (["task.reward={mode: rate, budget: '24'}"], "task.reward.mode", "round_budget"),
    (["task.intake.relayed=true"], "task.intake.relayed", "write false"),
    (["task.intake.commit_reveal=false"], "task.intake.commit_reveal", "write true"),
    (["task.selection={rule: random, cohort: 2}"], "task.selection", "write all"),
    (["task.defence=pipeline"], "task.defence", "write none"),
    (["task.reported_samples=5"], "task.reported_samples", "in a crowd only"),
    (["task.aggregator_role=alice"], "task.aggregator_role", "no member"),
    (["data.validation.samples=10"], "data.validation.samples", "'share'"),
    (["task.evaluation.pool='3'"], "task.evaluation.pool", "2 rounds"),
    (["task.reward.per_round='10.1'"], "task.evaluation.pool", "2 rounds"),
    (["task.evaluation.tolerance='0'"], "task.evaluation.tolerance", "more than 0"),
    (["task.evaluation.tolerance='2.1'"], "task.evaluation.tolerance", "at most 2"),
    (["baselines=[alone, alone]"], "baselines", "twice"),
    (
        ["population.trainers=[{name: anna}, {name: ben, founder: false}, {name: cleo, founder: false}]"],
        "population.trainers",
        "too few founders (1)",
    ),
    (
        ["population.trainers.1={name: ben, votes: [{since: 2}]}"],
        "population.trainers.1.votes.0",
        "one of the two",
    ),
    (
        ["population.trainers.1={name: ben, votes: [{admit: cleo, expel: anna}]}"],
        "population.trainers.1.votes.0",
        "one of the two",
    ),
    (
        ["population.trainers.1={name: ben, votes: [{expel: dora}]}"],
        "population.trainers.1.votes.0",
        "nobody of population.trainers",
    ),
    (["population.trainers.0.judge=sign_flip"], "population.trainers.0.judge", "bcfl catalog"),
    (["task.membership.bond='1000000'"], "task.reward.budget", "too large"),
]


@pytest.mark.parametrize(
    ("overrides", "key", "words"), CONSORTIUM_RULES, ids=[f"{rule[1]}:{rule[2]}" for rule in CONSORTIUM_RULES]
)
def test_rules_of_a_consortium(consortium, overrides, key, words):
    found, sentence = refused(consortium, *overrides)
    assert found == key
    assert words in sentence


@pytest.mark.parametrize("name", ["validated_trimmed_mean", "fltrust"])
def test_an_aggregator_that_looks_at_somebodys_own_samples_is_refused(consortium, name):
    found, sentence = refused(consortium, f"task.aggregator={name}")
    assert found == "task.aggregator"
    assert "could not agree on a model" in sentence


@pytest.mark.parametrize("name", ["median", "krum", "{name: fedavg, by: score}"])
def test_an_aggregator_of_updates_alone_is_taken(consortium, name):
    assert load(consortium, [f"task.aggregator={name}"])


CROWD_RULES = [
    (["population.evaluators=[]"], "population.evaluators", "is missing; write a list"),
    (["task.aggregator_role=bob"], "task.aggregator_role", "a name of its own"),
    (["task.retention.updates=1"], "task.retention.updates", "2"),
    (
        ["task.retention.updates=3", "task.defence=pipeline", "population.evaluators=[{name: a}, {name: b}]"],
        "task.retention.updates",
        "name one evaluator",
    ),
    (
        ["task.retention.models=3", "task.defence=pipeline", "population.evaluators=[{name: a}, {name: b}]"],
        "task.retention.models",
        "name one evaluator",
    ),
    (["task.aggregator_role=keeper"], "task.aggregator_role", "a name of its own"),
    (["task.evaluation.pool='1'"], "task.evaluation", "kind: consortium"),
    (["task.evaluation.tolerance='0.5'"], "task.evaluation", "kind: consortium"),
    (["data.validation.share=0.2"], "data.validation.share", "kind: consortium"),
    (["baselines=[alone]"], "baselines", "kind: consortium"),
    (["population.trainers.1.judge=inverter"], "population.trainers.1.judge", "kind: consortium"),
    (["population.trainers.1.founder=false"], "population.trainers.1.founder", "kind: consortium"),
    (["population.trainers.1.votes=[{expel: bob}]"], "population.trainers.1.votes", "kind: consortium"),
    (["population.trainers.1.flipped=1.1"], "population.trainers.1.flipped", "at most 1"),
]


@pytest.mark.parametrize(
    ("overrides", "key", "words"), CROWD_RULES, ids=[f"{rule[1]}:{rule[2]}" for rule in CROWD_RULES]
)
def test_rules_of_a_crowd(small_file, overrides, key, words):
    found, sentence = refused(small_file, *overrides)
    assert found == key
    assert words in sentence


def test_wrong_labels_are_for_a_crowds_trainers_too(small_file):
    assert load(small_file, ["population.trainers.1.flipped=0.3"]).population.trainers[1].flipped == 0.3


def test_a_crowd_without_evaluators_is_told_what_to_write(write, small):
    path = write(small.replace("  evaluators: [{name: alice}]\n", ""))
    assert refused(path)[1] == (
        f"{path}, line 8: 'population.evaluators' is missing; write a list, for example 'evaluators: [{{name: alice}}]'."
    )


ROOTED = ("task.intake.relayed=true", "task.intake.rooted=true")


@pytest.mark.parametrize(
    ("overrides", "key", "mend"),
    [
        (ROOTED[1:], "rooted", "write true at task.intake.relayed too, or drop it"),
        ((*ROOTED, "task.intake.commit_reveal=false"), "commit_reveal", "or drop task.intake.rooted"),
        ((*ROOTED, "task.intake.unique_digests=true"), "unique_digests", "drop it"),
    ],
)
def test_a_rooted_task_says_what_it_needs(overrides, key, mend):
    refusal, text = refused(QUICK, *overrides)
    assert refusal == f"task.intake.{key}"
    assert text.endswith(f"{mend}.")


def test_a_rooted_task_keeps_no_owners_and_is_no_consortium(consortium):
    assert not load(QUICK, ROOTED).unique_digests
    assert load(QUICK).unique_digests
    assert refused(consortium, ROOTED[1])[0] == "task.intake.rooted"


@pytest.mark.parametrize(("capacity", "kept"), [(256, True), (257, False)])
def test_of_many_members_nobody_pays_for_whose_digest_it_is(capacity, kept):
    assert load(QUICK, [f"task.membership.capacity={capacity}"]).unique_digests is kept
