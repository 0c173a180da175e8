# SPDX-License-Identifier: Apache-2.0
"""Every entry of models is registered, quickly, and third parties add theirs from outside."""

from __future__ import annotations

import os
import subprocess
import sys

from bcfl.registry import entries

_PLUGIN = '''
"""A third party's network, data set and score."""
from dataclasses import dataclass

import numpy as np

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.networks.network import schema_of
from bcfl.registry import register


@register("network", "tiny")
@dataclass(frozen=True, kw_only=True)
class Tiny:
    """Logistic regression with dropout."""

    features: int = 3

    def schema(self):
        return schema_of(self)

    def build(self):
        from torch import nn

        return nn.Sequential(nn.Dropout(0.5), nn.Linear(self.features, 2))


@register("dataset", "ramp")
@dataclass(frozen=True, kw_only=True)
class Ramp:
    """A line cut in two."""

    count: int = 20

    def load(self, data_dir=None):
        inputs = np.linspace(-1, 1, self.count * 3, dtype=np.float32).reshape(self.count, 3)
        samples = Samples(inputs=inputs, targets=(inputs[:, 1] > 0).astype(np.int64))
        return Dataset(name="ramp", train=samples, test=samples, source="made", licence="none")


@register("score", "flat")
@dataclass(frozen=True, kw_only=True)
class Flat:
    """The same for everybody."""

    value: float = 1.0

    async def scores(self, scoring, engine):
        return (self.value,) * len(scoring.updates)
'''

_USER = """
import anyio
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.registry import create

async def main():
    network, data = create("network", "tiny"), create("dataset", "ramp", {"count": 40}).load(None)
    start = initial_weights(network, 0)
    async with Engine.start(executor="processes", workers=1) as engine:
        engine.add_samples("train", data.train)
        given = Hyperparameters(learning_rate=0.5, epochs=20, batch_size=8)
        job = TrainingJob(network=network, hyperparameters=given, start=start, samples=SamplesRef("train"), seed=0)
        trained = await engine.train(job)
        again = await engine.train(job)
        assert trained.weights.vector.tobytes() == again.weights.vector.tobytes()
        scoring = ScoringRound(network=network, start=start, updates=(trained.weights,), weights=(1.0,), samples_key="train")
        print((await engine.evaluate(network, trained.weights, "train")).accuracy > 0.9,
              await create("score", "flat", {"value": 2}).scores(scoring, engine))

anyio.run(main)
"""


def test_every_entry_of_models_is_registered_and_described():
    found = {(entry.kind, entry.name) for entry in entries()}
    assert found >= {
        ("aggregator", "fedavg"),
        *(("dataset", name) for name in ("csv", "femnist", "heart_disease", "mnist", "npz", "synthetic")),
        *(("network", name) for name in ("mlp", "mnist_cnn", "tabular")),
        *(("partition", name) for name in ("by_size", "dirichlet", "equal", "natural", "shards", "slices")),
        *(("score", name) for name in ("leave_one_out", "shapley", "shapley_mean", "step")),
        *(("score", name) for name in ("first_order", "gtg_shapley", "shapley_fitted", "tmc_shapley")),
    }
    assert all(entry.summary for entry in entries())


def test_listing_entries_does_not_load_torch():
    script = "import sys, bcfl.models.entries, bcfl.models.training.engine; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_third_party_adds_a_network_a_data_set_and_a_score(tmp_path):
    (tmp_path / "tiny_plugin.py").write_text(_PLUGIN)
    information = tmp_path / "tiny_plugin-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[bcfl.plugins]\ntiny = tiny_plugin\n")
    done = subprocess.run(
        [sys.executable, "-c", _USER],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.stdout.strip() == "True (2.0,)", done.stderr
