# SPDX-License-Identifier: Apache-2.0
"""Before a run costs anything: what is left open is taken from the data, what does not fit is refused."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.errors import NetworkUnfit, PartitionImpossible
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.errors import DiskTooSmall, ModelTooLarge
from bcfl.scenarios.planning import preflight
from bcfl.scenarios.planning.population import populate
from bcfl.scenarios.planning.preflight import check_disk, check_fit, check_shares, fitted
from bcfl.seeds import Seeds


def scenario(network, *, names=("ann", "ben"), partition="equal", **changes):
    return from_mapping(
        {
            "name": "s",
            "task": {"rounds": 4, "network": network, **changes},
            "data": {"dataset": "synthetic", "partition": partition},
            "population": {"evaluators": [{"name": "eve"}], "trainers": [{"name": name} for name in names]},
        }
    )


def rows(count=40, width=4, classes=3, **more):
    samples = Samples(
        inputs=np.random.default_rng(0).normal(size=(count, width)).astype(np.float32),
        targets=np.arange(count) % classes,
        owners=more.pop("owners", None),
    )
    return Dataset(name="mine", train=samples, test=samples, source="mine.csv", licence="", **more)


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        ("mlp", {"inputs": 4, "classes": 3}),
        ({"name": "mlp", "hidden": 8}, {"hidden": 8, "inputs": 4, "classes": 3}),
        ({"name": "mlp", "inputs": 4, "classes": 7}, {"inputs": 4, "classes": 7}),
        ({"name": "tabular", "classes": 3}, {"classes": 3, "inputs": 4}),
        ("mnist_cnn", {"classes": 3}),
    ],
)
def test_what_a_network_leaves_open_is_taken_from_the_data(network, parameters):
    found = fitted(scenario(network), rows())
    assert found.task.network.parameters == parameters
    assert fitted(found, rows()) is found


def test_a_network_that_fits_as_it_is_stays_as_it_is():
    data = Synthetic(samples=100, test_samples=50).load()
    given = scenario({"name": "mlp", "inputs": 784, "classes": data.train.classes})
    assert fitted(given, data) is given
    check_fit(given, data)


def test_a_network_for_other_data_is_refused_with_the_key():
    with pytest.raises(NetworkUnfit, match=r"rows have 4 numbers.*set task\.network\.inputs: 4"):
        check_fit(scenario({"name": "mlp", "inputs": 5, "classes": 3}), rows())


@pytest.mark.parametrize(("limit", "refused"), [(64, True), (16_000, True), (40_000, False)])
def test_a_model_that_no_update_could_carry_is_refused_with_its_bytes(limit, refused):
    given = fitted(scenario({"name": "mlp", "hidden": 1000}, intake={"max_update_bytes": limit}), rows())
    if refused:
        with pytest.raises(
            ModelTooLarge, match=rf"has 32,012 bytes, and .* is {limit:,}: set it to \d+ or more"
        ):
            check_fit(given, rows())
    else:
        check_fit(given, rows())


def test_a_disk_that_cannot_hold_the_models_is_named_with_the_bytes(tmp_path, monkeypatch):
    given = scenario("mlp")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_999))
    with pytest.raises(DiskTooSmall, match=rf"up to 13,000 bytes, and {tmp_path} has 12,999 left"):
        check_disk(given, tmp_path / "new" / "run", 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=13_000))
    check_disk(given, tmp_path / "new" / "run", 1000)


def test_who_has_one_sample_is_named_where_a_batch_needs_two(monkeypatch):
    data = rows(3, classes=2, owners=np.array([0, 1, 1]), owner_names=("ann", "ben"))
    given = fitted(scenario("mlp", partition="natural"), data)
    population = populate(given, data, Seeds(1))
    check_shares(given, population)
    monkeypatch.setattr(preflight, "needs_pairs", lambda _: True)
    with pytest.raises(
        NetworkUnfit, match="'ann' has one sample, and the network 'mlp' normalises over a batch"
    ):
        check_shares(given, population)


OWNERS = np.array([2, 2, 0, 1, 0, 2])
NAMES = ("north", "south", "Zürich")


@pytest.mark.parametrize(
    "names", [("north", "south", "Zürich"), ("Zürich", "north", "south"), ("south", "Zürich")]
)
def test_who_is_called_as_an_owner_has_its_samples(names):
    data = rows(6, classes=2, owners=OWNERS, owner_names=NAMES)
    population = populate(scenario("mlp", names=names, partition="natural"), data, Seeds(1))
    assert {name: share.tolist() for name, share in population.shares.items()} == {
        name: np.flatnonzero(NAMES.index(name) == OWNERS).tolist() for name in names
    }


def test_who_owns_nothing_beside_others_who_do_is_refused():
    data = rows(6, classes=2, owners=OWNERS, owner_names=NAMES)
    with pytest.raises(
        PartitionImpossible, match="'east' owns no sample of 'mine', whose owners are north, south, Zürich"
    ):
        populate(scenario("mlp", names=("north", "east"), partition="natural"), data, Seeds(1))


def test_where_nobody_is_called_as_an_owner_they_are_dealt_out():
    data = rows(6, classes=2, owners=OWNERS, owner_names=NAMES)
    population = populate(scenario("mlp", names=("ann", "ben", "cyd"), partition="natural"), data, Seeds(1))
    assert sorted(map(len, population.shares.values())) == [1, 2, 3]
