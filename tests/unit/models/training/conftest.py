# SPDX-License-Identifier: Apache-2.0
"""Small data and jobs for the engine's tests."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob


@pytest.fixture(scope="session")
def data():
    return Synthetic(samples=400, test_samples=130).load()


@pytest.fixture
def make_job():
    def make(seed=0, *, network=None, indices=None, key="train", **hyperparameters):
        chosen = network or MnistCnn()
        given = {"learning_rate": 0.05, "batch_size": 32, "epochs": 1, **hyperparameters}
        return TrainingJob(
            network=chosen,
            hyperparameters=Hyperparameters(**given),
            start=initial_weights(chosen, 1),
            samples=SamplesRef(key, indices if indices is None else np.asarray(indices, dtype=np.int64)),
            seed=seed,
        )

    return make
