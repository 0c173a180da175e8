# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.models.data.dataset import Dataset
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.errors import SweepInvalid
from bcfl.scenarios.planning.population import populate
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import Labels, adversaries, chosen, expand
from bcfl.seeds import Seeds

SWEEP = """\
name: tiny
base:
  name: cell
  task: {rounds: 2, network: {name: mlp, hidden: 8}, reward: {budget: "5"}}
  data: {dataset: {name: synthetic, samples: 400}}
attacks:
  flip: {behaviour: {name: sign_flip, scale: 2.0}, plan: {start: 2}, group: ring}
  zero: {behaviour: zero}
  judge:
    group: ring
    set: {population.evaluators: [{name: alice, behaviour: bias, group: ring}]}
defences:
  off: {}
  ours: {task.defence: pipeline, task.intake.commit_reveal: false}
heterogeneity:
  iid: {data.partition: equal}
  skewed: {data.partition: {name: dirichlet, alpha: 0.5}}
fractions: [0, 0.3]
trainers: [10]
seeds: [7, 3]
"""


@pytest.fixture
def cells(write):
    return {cell.labels.name: cell for cell in expand(load_sweep(write(SWEEP)))}


def point(name):
    attack, defence, fraction, heterogeneity, trainers, seed = name.split("/")
    return Labels(
        attack=attack,
        defence=defence,
        fraction=float(fraction),
        heterogeneity=heterogeneity,
        trainers=int(trainers),
        seed=int(seed),
    )


@pytest.mark.parametrize(
    ("fraction", "trainers", "bad"), [(0.1, 30, 3), (0.3, 10, 3), (0.3, 20, 6), (0.25, 10, 3), (0, 10, 0)]
)
def test_adversaries_are_counted_upwards_and_not_fooled_by_binary_fractions(fraction, trainers, bad):
    assert adversaries(fraction, trainers) == bad


def test_the_grid_has_every_point_once_and_a_reference_for_every_fraction(cells):
    # with fraction 0 only the judge attacks: per seed, defence and heterogeneity none, judge (0 and 0.3), flip, zero, absent
    assert len(cells) == 2 * 2 * 2 * 6
    assert len({cell.key for cell in cells.values()}) == len(cells)
    names = list(cells)
    assert [int(name.rsplit("/", 1)[1]) for name in names] == [3] * 24 + [7] * 24


def test_every_cell_comes_after_its_reference(cells):
    order = {cell.labels: place for place, cell in enumerate(cells.values())}
    referred = [cell for cell in cells.values() if cell.reference is not None]
    assert referred
    assert all(order[cell.reference] < order[cell.labels] for cell in referred)


def test_the_adversaries_are_the_last_and_the_reference_is_without_them(cells):
    attacked = cells["flip/ours/0.3/skewed/10/7"]
    trainers = attacked.scenario.population.trainers
    assert [entry.name for entry in trainers][-4:] == ["trainer-07", "trainer-08", "trainer-09", "trainer-10"]
    assert [entry.behaviour.name for entry in trainers] == ["honest"] * 7 + ["sign_flip"] * 3
    assert {(entry.group, entry.plan.start) for entry in trainers[7:]} == {("ring", 2)}
    assert attacked.reference == point("absent/ours/0.3/skewed/10/7")
    reference = cells[attacked.reference.name].scenario
    assert reference.trainer_names == tuple(f"trainer-{n:02d}" for n in range(1, 8))
    assert reference.capacity == 7
    assert reference.task == attacked.scenario.task


def test_where_only_the_evaluator_misbehaves_the_reference_has_everybody(cells):
    judged = cells["judge/off/0.3/iid/10/3"]
    assert judged.scenario.population.evaluators[0].behaviour.name == "bias"
    assert judged.reference == point("none/off/0.0/iid/10/3")
    assert [entry.group for entry in judged.scenario.population.trainers][-4:] == [
        None,
        "ring",
        "ring",
        "ring",
    ]
    assert "judge/off/0.0/iid/10/3" in cells


def test_the_axes_change_the_scenario_where_they_say(cells):
    scenario = cells["none/ours/0.0/skewed/10/3"].scenario
    assert scenario.seed == 3
    assert scenario.task.defence.name == "pipeline"
    assert not scenario.task.intake.commit_reveal
    assert scenario.task.reward.budget == "5"
    assert scenario.data.partition.parameters == {"alpha": 0.5}
    assert cells["none/off/0.0/iid/10/3"].scenario.task.intake.commit_reveal
    assert (scenario.storage.kind, scenario.compute.executor, scenario.compute.workers) == (
        "memory",
        "threads",
        1,
    )


def test_the_honest_have_the_same_data_and_keys_with_adversaries_without_and_in_the_reference(cells):
    scenarios = [
        cells[f"{name}/skewed/10/7"].scenario for name in ("none/off/0.0", "flip/off/0.3", "absent/off/0.3")
    ]
    dataset: Dataset = scenarios[0].data.dataset.create("dataset").load(None)
    populations = [populate(scenario, dataset, Seeds(scenario.seed)) for scenario in scenarios]
    for name in (f"trainer-{n:02d}" for n in range(1, 8)):
        assert len({people.signers[name].address for people in populations}) == 1
        for people in populations[1:]:
            assert np.array_equal(people.shares[name], populations[0].shares[name])
    assert "trainer-08" not in populations[2].shares
    assert "trainer-08" not in populations[2].signers


def test_chosen_cells_bring_their_references(cells):
    found = chosen(list(cells.values()), pattern="^flip/off/.*/iid/10/3$")
    assert [cell.labels.name for cell in found] == ["absent/off/0.3/iid/10/3", "flip/off/0.3/iid/10/3"]
    assert len(chosen(list(cells.values()), limit=5)) == 5
    with pytest.raises(SweepInvalid, match="no cell has a name like that"):
        chosen(list(cells.values()), pattern="nothing")
    with pytest.raises(SweepInvalid, match="not a regular expression"):
        chosen(list(cells.values()), pattern="(")


def test_the_key_of_a_cell_is_the_hash_of_its_scenario(cells, write):
    again = {cell.labels.name: cell.key for cell in expand(load_sweep(write(SWEEP)))}
    assert again == {name: cell.key for name, cell in cells.items()}
    changed = expand(load_sweep(write(SWEEP.replace("rounds: 2", "rounds: 3"))))
    assert not {cell.key for cell in changed} & set(again.values())


def test_a_scenario_s_new_key_with_a_default_leaves_cells_the_same(write):
    """Else hours of finished cells were unknown to the next version."""

    class Later(Scenario):
        more: int = 3

    cell = expand(load_sweep(write(SWEEP)))[0]
    later = Later.model_validate(cell.scenario.model_dump())
    assert dataclasses.replace(cell, scenario=later).key == cell.key
    other = later.model_copy(update={"more": 4})
    assert dataclasses.replace(cell, scenario=other).key != cell.key
