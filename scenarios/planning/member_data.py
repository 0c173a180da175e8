# SPDX-License-Identifier: Apache-2.0
"""What becomes of a trainer's part of the data: wrong labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Samples
from bcfl.models.data.label_noise import flip_labels
from bcfl.scenarios.definition.schema import Scenario
from bcfl.seeds import Seeds

__all__ = ("Indices", "flipped")

Indices = npt.NDArray[np.int64]


def flipped(scenario: Scenario, train: Samples, parts: Mapping[str, Indices], seeds: Seeds) -> Samples:
    """The training split with the wrong labels that the scenario wants; the very same where it wants none."""
    shares = {name: entry.flipped for entry in scenario.population.trainers for name in entry.names}
    if not any(shares.values()):
        return train
    targets = train.targets.copy()
    for name, share in shares.items():
        if share:
            rng = np.random.default_rng(seeds.integer("flipped", name))
            targets[parts[name]] = flip_labels(train.targets[parts[name]], share, train.classes, rng)
    return dataclasses.replace(train, targets=targets)
