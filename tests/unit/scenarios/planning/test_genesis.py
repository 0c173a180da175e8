# SPDX-License-Identifier: Apache-2.0
"""A task starts from a file, from a content of a Kubo node, or from what the seed gives; anything else is refused before a run."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.wire.tensors import decode, encode
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.errors import GenesisUnfit
from bcfl.scenarios.planning.genesis import genesis_of
from bcfl.scenarios.planning.plan import planned
from bcfl.seeds import Seeds
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import StorageError
from bcfl.storage.opening import open_store

pytestmark = pytest.mark.asyncio

_NETWORK = Mlp(inputs=4, hidden=3, classes=3)
_WEIGHTS = initial_weights(_NETWORK, 77)


def _scenario(genesis, **more):
    return from_mapping(
        {
            "name": "it",
            "task": {
                "rounds": 1,
                "network": {"name": "mlp", "inputs": 4, "hidden": 3, "classes": 3},
                "genesis": genesis,
                **more.pop("task", {}),
            },
            "data": {"dataset": {"name": "synthetic", "form": "blobs", "features": 4, "classes": 3}},
            "population": {"evaluators": [{"name": "eve"}], "trainers": [{"name": "ann"}, {"name": "ben"}]},
            **more,
        }
    )


async def _found(scenario, data_dir=None, kept=None):
    weights = await genesis_of(scenario, Seeds(scenario.seed), data_dir=data_dir, kept=kept)
    return weights.vector


@pytest.fixture
def there(tmp_path):
    (tmp_path / "it.safetensors").write_bytes(encode(_WEIGHTS, {"round": "5"}))
    return tmp_path


async def test_a_file(there):
    assert np.array_equal(await _found(_scenario(str(there / "it.safetensors"))), _WEIGHTS.vector)
    relative = _scenario("it.safetensors")
    assert np.array_equal(await _found(relative, data_dir=there), _WEIGHTS.vector)


async def test_what_a_run_has_kept_comes_first(there):
    other = initial_weights(_NETWORK, 78)
    found = await _found(_scenario("it.safetensors"), data_dir=there, kept=encode(other, {}))
    assert np.array_equal(found, other.vector)
    assert np.array_equal(await _found(_scenario("gone.safetensors"), kept=encode(other, {})), other.vector)


async def test_a_task_starts_from_it(there):
    plan = await planned(_scenario(str(there / "it.safetensors")), data_dir=None)
    weights, metadata = decode(plan.task.genesis, _NETWORK.schema())
    assert np.array_equal(weights.vector, _WEIGHTS.vector)
    assert metadata == {"round": "0"}  # as a genesis, whatever it was before


async def test_none_is_drawn_under_the_seed():
    expected = initial_weights(_NETWORK, Seeds(0).integer("genesis"))
    assert np.array_equal(await _found(_scenario(None)), expected.vector)


@pytest.mark.kubo
async def test_a_content_of_a_node(tmp_path, daemons):
    async with daemons.started_kubo(tmp_path) as node:
        async with open_store("kubo", node.url) as store:
            content = await store.put(encode(_WEIGHTS, {}))
        scenario = _scenario(cid_text(content), storage={"kind": "kubo", "url": node.url})
        assert np.array_equal(await _found(scenario), _WEIGHTS.vector)
        small = _scenario(
            cid_text(content),
            storage={"kind": "kubo", "url": node.url},
            task={"intake": {"max_update_bytes": 64}},
        )
        with pytest.raises(GenesisUnfit, match="did not come whole"):
            await _found(small)
    with pytest.raises(StorageError):
        await _found(scenario)


async def test_what_cannot_be_started_from(there):
    other = initial_weights(Mlp(inputs=5, hidden=3, classes=3), 1)
    (there / "other.safetensors").write_bytes(encode(other, {}))
    (there / "broken.safetensors").write_bytes(b"no model")
    cid = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    for name, words in (
        ("nowhere.safetensors", "There is no file 'nowhere.safetensors'.* no CID either"),
        ("other.safetensors", "is no model of the network 'mlp'"),
        ("broken.safetensors", "is no model of the network 'mlp'"),
        (cid, "write storage.kind: kubo, or give the file"),
    ):
        with pytest.raises(GenesisUnfit, match=words):
            await _found(_scenario(name), data_dir=there)
    small = _scenario("it.safetensors", task={"intake": {"max_update_bytes": 64}})
    with pytest.raises(GenesisUnfit, match=r"more than task\.intake\.max_update_bytes"):
        await _found(small, data_dir=there)
