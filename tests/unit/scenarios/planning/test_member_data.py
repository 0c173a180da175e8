# SPDX-License-Identifier: Apache-2.0
"""Wrong labels."""

from __future__ import annotations

import numpy as np

from bcfl.models.data.synthetic import Synthetic
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.planning.member_data import flipped
from bcfl.seeds import Seeds

DATA = Synthetic(samples=200, test_samples=20, classes=4).load()
PARTS = {"ann": np.arange(0, 100), "ben": np.arange(100, 200)}


def scenario(**ben):
    return from_mapping(
        {
            "name": "s",
            "task": {"rounds": 1, "network": "mlp"},
            "data": {"dataset": "synthetic"},
            "population": {
                "evaluators": [{"name": "eve"}],
                "trainers": [{"name": "ann"}, {"name": "ben", **ben}],
            },
        }
    )


def test_only_the_labels_of_who_is_said_to_be_wrong_change():
    wrong = flipped(scenario(flipped=0.5), DATA.train, PARTS, Seeds(1))
    changed = wrong.targets != DATA.train.targets
    assert not changed[:100].any()
    assert 20 < changed[100:].sum() <= 50  # half are drawn anew, and some get their own class again
    assert wrong.inputs is DATA.train.inputs
    again = flipped(scenario(flipped=0.5), DATA.train, PARTS, Seeds(1))
    other = flipped(scenario(flipped=0.5), DATA.train, PARTS, Seeds(2))
    assert (wrong.targets == again.targets).all()
    assert (wrong.targets != other.targets).any()


def test_without_wrong_labels_the_data_stay_the_very_same():
    assert flipped(scenario(), DATA.train, PARTS, Seeds(1)) is DATA.train
