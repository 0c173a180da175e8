# SPDX-License-Identifier: Apache-2.0
"""What may be meant is done, and said before it costs anything."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.errors import PrivacyUnavailable
from bcfl.models.training import privacy as privacy_module
from bcfl.models.training.privacy import Privacy
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.planning import cautions as cautions_module
from bcfl.scenarios.planning.cautions import cautions
from bcfl.scenarios.planning.population import populate
from bcfl.scenarios.planning.preflight import check_privacy
from bcfl.seeds import Seeds


def _samples(count, classes):
    return Samples(
        inputs=np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32),
        targets=np.arange(count) % classes,
    )


def told(
    *, trained=3, measured=3, batch=10, trainers=({"name": "ann"}, {"name": "ben"}), defence="none", **more
):
    scenario = from_mapping(
        {
            "name": "s",
            "task": {
                "rounds": 4,
                "network": "mlp",
                "defence": defence,
                "training": {"batch_size": batch, "epochs": 2},
            },
            "data": {"dataset": "synthetic"},
            "population": {"evaluators": [{"name": "eve"}], "trainers": list(trainers)},
        }
    )
    dataset = Dataset(
        name="mine",
        train=_samples(40, trained),
        test=_samples(12, measured),
        source="mine.csv",
        licence="",
        **more,
    )
    return list(cautions(scenario, dataset, populate(scenario, dataset, Seeds(1))))


def test_nothing_is_said_where_nothing_is_odd():
    assert told() == []


def test_classes_that_nobody_measures_are_named_as_the_data_call_them():
    (sentence,) = told(trained=4, measured=2, class_names=("ok", "ill", "dead", "lost"))
    assert sentence.startswith("the 12 samples to measure on have none of 'dead', 'lost': ")


def test_a_class_that_only_the_test_part_has_is_no_matter():
    assert told(trained=2, measured=3) == []


@pytest.mark.parametrize(("batch", "said"), [(20, 0), (21, 1)])
def test_parts_below_a_batch_are_told(batch, said):
    found = told(batch=batch)
    assert len(found) == said
    if found:
        assert found[0].startswith("'ann', 'ben' have fewer samples than a batch of 21 (the fewest: 20)")


def test_what_privacy_will_have_cost_is_told_before():
    private = {"name": "ann", "privacy": {"noise_multiplier": 1.5, "delta": 0.001}}
    (sentence,) = told(trainers=(private, {"name": "ben"}))
    spent = Privacy(noise_multiplier=1.5, delta=0.001).epsilon(samples=20, batch_size=10, steps=4 * 2 * 2)
    assert (
        sentence == f"'ann' will have spent a privacy of ε {spent:.3g} (δ 0.001) on 20 samples after 4 rounds"
    )


def test_who_adds_noise_under_a_defence_is_warned():
    private = {"name": "ann", "privacy": {"noise_multiplier": 1.5}}
    found = told(trainers=(private, {"name": "ben"}), defence="pipeline")
    assert found[0].startswith(
        "the defence 'pipeline' takes noise that keeps samples private for work that was not done"
    )
    assert len(found) == 2
    assert told(defence="pipeline") == []


def test_a_consortiums_members_measure_on_what_they_hold_out():
    scenario = from_mapping(
        {
            "name": "s",
            "task": {
                "kind": "consortium",
                "rounds": 2,
                "network": "mlp",
                "reward": {"mode": "round_budget", "per_round": "1"},
            },
            "data": {"dataset": "synthetic"},
            "population": {"trainers": [{"name": "ann"}, {"name": "ben"}]},
        }
    )
    dataset = Dataset(name="mine", train=_samples(200, 4), test=_samples(12, 2), source="", licence="")
    assert list(cautions(scenario, dataset, populate(scenario, dataset, Seeds(1)))) == []


def test_who_does_not_train_with_privacy_needs_no_opacus(monkeypatch):
    monkeypatch.setattr(privacy_module, "is_here", lambda: False)
    monkeypatch.setattr(cautions_module, "is_here", lambda: False)
    private = {"name": "ann", "privacy": {"noise_multiplier": 1.5}}
    assert told(trainers=(private, {"name": "ben"})) == []
    scenario = from_mapping(
        {
            "name": "s",
            "task": {"rounds": 2, "network": "mlp"},
            "data": {"dataset": "synthetic"},
            "population": {"evaluators": [{"name": "eve"}], "trainers": [private, {"name": "ben"}]},
        }
    )
    check_privacy(scenario, ["ben", "eve"])
    for names in (None, ["ann"]):
        with pytest.raises(PrivacyUnavailable):
            check_privacy(scenario, names)
