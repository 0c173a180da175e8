# SPDX-License-Identifier: Apache-2.0
"""Who takes part, with which data, and what the contract is told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.contracts.ids import ZERO_ADDRESS, Address
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.network import initial_weights
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.planning.population import plan_task, populate, task_config
from bcfl.seeds import Seeds

TOKEN = Address("0x00000000000000000000000000000000000000C0")
DATA = Synthetic(samples=120, test_samples=60, classes=3).load()


def consortium(*, ben=None, partition="equal", **changes):
    task = {
        "kind": "consortium",
        "rounds": 2,
        "network": {"name": "mlp", "hidden": 4},
        "reward": {"mode": "round_budget", "per_round": "10", "budget": "24"},
        **changes,
    }
    return from_mapping(
        {
            "name": "s",
            "task": task,
            "data": {"dataset": "synthetic", "partition": partition},
            "population": {
                "trainers": [{"name": "ann"}, {"name": "ben", **(ben or {})}, {"name": "cyd", "count": 2}]
            },
        }
    )


def crowd(*, task=(), **trainer):
    return from_mapping(
        {
            "name": "s",
            "task": {"rounds": 2, "network": {"name": "mlp", "hidden": 4}, **dict(task)},
            "data": {"dataset": "synthetic", "validation": {"samples": 20}},
            "population": {
                "evaluators": [{"name": "eve"}],
                "trainers": [{"name": "ann"}, {"name": "ben", **trainer}],
            },
        }
    )


def planned(scenario, data=DATA):
    seeds = Seeds(scenario.seed)
    population = populate(scenario, data, seeds)
    plan = plan_task(
        scenario,
        population,
        initial_weights(scenario.task.network.create("network"), seeds.integer("genesis")),
    )
    return population, plan, task_config(scenario, plan, token=TOKEN, accounts=population.accounts)


def test_a_member_trains_on_four_fifths_of_its_part_and_judges_on_the_rest():
    population, plan, _ = planned(consortium())
    assert population.agents == ("publisher", "ann", "ben", "cyd-1", "cyd-2", "keeper")
    assert population.founders == population.trainers
    assert {population.role(name) for name in population.trainers} == {"member"}
    parts = [np.concatenate([population.shares[n], population.held_out[n]]) for n in population.trainers]
    assert [len(population.held_out[name]) for name in population.trainers] == [6] * 4
    assert sorted(np.concatenate(parts)) == list(range(120))
    assert population.validation is DATA.test
    assert Specification.decode(plan.specification).sample_limit == 24


def test_a_consortiums_configuration():
    population, plan, config = planned(consortium(aggregator_role="ben"))
    assert (config.round_budget, config.evaluation_pool, config.rate) == (10 * 10**9, 2 * 10**9, 0)
    assert config.tolerance == 5 * 10**8
    assert config.bond == plan.bond == 3 * 10**9
    assert config.aggregator == population.signers["ben"].address
    assert not config.public_audit
    assert (config.capacity, config.commit_reveal) == (4, True)
    assert Specification.decode(plan.specification).audit == "records"


def test_a_crowds_configuration_has_nothing_of_a_consortium():
    population, plan, config = planned(crowd())
    assert (config.evaluation_pool, config.tolerance, config.aggregator) == (0, 0, ZERO_ADDRESS)
    assert config.public_audit
    assert population.kind is Kind.CROWDSOURCING
    assert population.held_out == {}
    assert population.founders == ("eve",)
    assert population.train is DATA.train
    assert len(population.validation) == 20
    assert Specification.decode(plan.specification).audit == "public"


def test_a_crowds_aggregator_is_somebody_of_its_own_and_moves_nobody_elses_key_or_part():
    population, _, config = planned(crowd(task={"aggregator_role": "builder"}))
    plain = planned(crowd())[0]
    assert config.aggregator == population.signers["builder"].address
    assert population.role("builder") == "aggregator"
    assert population.agents == ("publisher", "eve", "builder", *plain.trainers, "keeper")
    assert {name: one for name, one in population.accounts.items() if name != "builder"} == plain.accounts
    assert population.founders == ("eve",)


def test_keys_and_parts_are_those_of_a_crowd():
    ours, theirs = planned(consortium())[0], planned(crowd())[0]
    assert ours.signers["ann"].address == theirs.signers["ann"].address
    assert ours.signers["keeper"].address == theirs.signers["keeper"].address


def test_wrong_labels_reach_the_held_out_part_and_change_nobody_elses_data():
    population = planned(consortium(ben={"flipped": 1.0}))[0]
    changed = population.train.targets != DATA.train.targets
    assert changed[population.held_out["ben"]].any()
    assert changed[population.shares["ben"]].any()
    assert not any(changed[population.shares[name]].any() for name in ("ann", "cyd-1", "cyd-2"))


def test_a_crowds_wrong_labels_leave_the_parts_as_they_are():
    plain, wrong = planned(crowd())[0], planned(crowd(flipped=0.5))[0]
    assert all((plain.shares[name] == wrong.shares[name]).all() for name in plain.trainers)
    assert (wrong.train.targets != plain.train.targets)[wrong.shares["ben"]].any()


def test_members_in_the_order_of_the_file_are_the_datas_owners_in_theirs():
    owners = np.random.default_rng(0).integers(4, size=120)
    train = dataclasses.replace(DATA.train, owners=owners)
    population = planned(consortium(partition="natural"), dataclasses.replace(DATA, train=train))[0]
    for place, name in enumerate(population.trainers):
        assert set(owners[population.shares[name]]) == set(owners[population.held_out[name]]) == {place}


@pytest.mark.parametrize(
    ("changes", "bond", "pool"),
    [
        ({}, 3 * 10**18, 2 * 10**18),
        ({"evaluation": {"pool": "0"}}, 25 * 10**17, 0),
        ({"evaluation": {"pool": "1.000000001"}}, 2_750_000_001 * 10**9, 1_000_000_001 * 10**9),
        ({"membership": {"bond": "0"}}, 0, 2 * 10**18),
    ],
)
def test_a_members_bond_is_what_a_round_pays_it_on_average_rounded_up_to_a_credit(changes, bond, pool):
    scenario = consortium(**changes)
    assert (scenario.bond, scenario.evaluation_pool) == (bond, pool)
