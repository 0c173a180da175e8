# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pydantic
import pytest

from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.definition.schema import NamedEntry, Reward, Scenario, Trainers
from bcfl.scenarios.definition.tokens import format_tokens, parse_tokens

TOKEN = 10**18


@pytest.fixture
def scenario(small_file) -> Scenario:
    return load(small_file)


def test_defaults_are_those_of_the_protocol(scenario):
    task = scenario.task
    assert (task.score.name, task.aggregator.name, task.selection.rule) == ("shapley", "fedavg", "all")
    assert (task.reward.mode, task.reward.rate, task.reward.budget) == ("rate", "1", "100")
    assert (task.intake.relayed, task.intake.commit_reveal, scenario.unique_digests) == (False, True, True)
    assert task.schedule.training_s == 3600
    assert scenario.chain.url is None
    assert scenario.storage.kind == "directory"


def test_a_scenario_cannot_be_changed(scenario):
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        scenario.task.rounds = 3


def test_count_makes_numbered_trainers_and_one_keeps_its_name():
    assert Trainers(name="t", count=3).names == ("t-1", "t-2", "t-3")
    assert Trainers(name="t").names == ("t",)


def test_trainers_and_evaluators_keep_the_order_of_the_file(small_file):
    scenario = load(
        small_file,
        [
            "population.trainers=[{name: z}, {name: a, count: 2}]",
            "population.evaluators=[{name: y}, {name: b}]",
        ],
    )
    assert scenario.trainer_names == ("z", "a-1", "a-2")
    assert scenario.evaluator_names == ("y", "b")


def test_capacity_and_cohort_default_to_everybody(scenario, small_file):
    assert (scenario.capacity, scenario.cohort) == (2, 2)
    drawn = load(small_file, ["task.selection={rule: random, cohort: 1}", "task.membership.capacity=9"])
    assert (drawn.capacity, drawn.cohort) == (9, 1)


def test_the_bond_defaults_to_a_rounds_share_of_the_budget_rounded_up_to_a_credit(small_file):
    assert load(small_file).bond == 50 * TOKEN
    assert load(small_file, ["task.rounds=3"]).bond == 33_333_333_334 * 10**9
    assert load(small_file, ['task.membership.bond="72.5"']).bond == 145 * TOKEN // 2


def test_shares_become_the_ratios_of_by_size(small_file):
    scenario = load(
        small_file,
        [
            "data.partition=by_size",
            "population.trainers=[{name: b, share: 8}, {name: c, count: 2, share: 1.5}]",
        ],
    )
    assert scenario.partition.parameters["ratios"] == [8, 1.5, 1.5]
    assert tuple(scenario.partition.create("partition").ratios) == (8, 1.5, 1.5)


def test_an_entry_is_a_name_or_a_mapping_and_is_written_back_the_same_way():
    assert NamedEntry.model_validate("fedavg").model_dump() == "fedavg"
    entry = NamedEntry.model_validate({"name": "fedavg", "by": "score"})
    assert entry.parameters == {"by": "score"}
    assert entry.model_dump() == {"name": "fedavg", "by": "score"}
    assert entry.create("aggregator").by == "score"


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", 0),
        ("1", TOKEN),
        ("0.25", TOKEN // 4),
        ("100.000000001", 100 * TOKEN + 10**9),
        ("007", 7 * TOKEN),
    ],
)
def test_tokens_are_exact_decimals(text, units):
    assert parse_tokens(text) == units


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", ".5", "1.", "0.0000000001", "1,5", "nan", "٣", "18446744074", " 1"]
)
def test_what_is_not_a_plain_decimal_is_refused(text):
    with pytest.raises(ValueError, match="write"):
        parse_tokens(text)


def test_whole_numbers_are_exact_and_floats_are_not():
    assert Reward.model_validate({"budget": 100}).budget == "100"
    with pytest.raises(pydantic.ValidationError, match="quotes"):
        Reward.model_validate({"budget": 0.1})


@pytest.mark.parametrize(
    ("units", "places", "text"),
    [
        (0, 4, "0.0000"),
        (TOKEN * 1234567, 2, "1,234,567.00"),
        (TOKEN // 2, 0, "1"),
        (5 * 10**13, 4, "0.0001"),
        (-TOKEN, 1, "-1.0"),
    ],
)
def test_tokens_are_shown_rounded_half_up(units, places, text):
    assert format_tokens(units, places=places) == text
