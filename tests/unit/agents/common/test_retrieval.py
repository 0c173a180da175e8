# SPDX-License-Identifier: Apache-2.0
"""Fetching from a store that may be hostile, and what is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.agents.common.retrieval import Retrieval, schema_of
from bcfl.contracts.errors import MalformedSpecification
from bcfl.contracts.ids import ContentId
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import encode
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import ContentNotFound, ContentOversize, WrongDigest
from bcfl.storage.memory import MemoryStore

SCHEMA = Schema((TensorSpec("w", (2, 3)), TensorSpec("b", (3,))))


class Counting(MemoryStore):
    def __init__(self):
        super().__init__()
        self.reads = []

    async def get(self, content):
        self.reads.append(content)
        async for part in super().get(content):
            yield part


def _model(value):
    return encode(Weights(SCHEMA, np.full(SCHEMA.size, value, np.float32)), {"samples": "5"})


@pytest.mark.asyncio
async def test_a_model_is_fetched_once_for_all_agents_and_an_update_each_time():
    store = Counting()
    retrieval = Retrieval(store)
    content = await store.put(_model(1.0))
    first = await retrieval.model(content, SCHEMA, max_bytes=10_000)
    assert await retrieval.model(content, SCHEMA, max_bytes=10_000) is first
    assert len(store.reads) == 1
    weights, metadata = await retrieval.update(content, SCHEMA, max_bytes=10_000)
    assert np.array_equal(weights.vector, first.vector)
    assert metadata["samples"] == "5"
    assert len(store.reads) == 2


@pytest.mark.asyncio
async def test_only_the_newest_models_are_remembered():
    store = Counting()
    retrieval = Retrieval(store)
    contents = [await store.put(_model(float(n))) for n in range(6)]
    for content in contents:
        await retrieval.model(content, SCHEMA, max_bytes=10_000)
    await retrieval.model(contents[-1], SCHEMA, max_bytes=10_000)
    assert len(store.reads) == 6
    await retrieval.model(contents[0], SCHEMA, max_bytes=10_000)
    assert len(store.reads) == 7


@pytest.mark.asyncio
async def test_what_does_not_come_as_promised_is_named():
    store = Counting()
    retrieval = Retrieval(store)
    data = _model(1.0)
    content = await store.put(data)
    with pytest.raises(ContentOversize):
        await retrieval.update(content, SCHEMA, max_bytes=len(data) - 1)
    assert store.reads == []
    with pytest.raises(ContentNotFound):
        await retrieval.update(content_id(b"nowhere"), SCHEMA, max_bytes=10_000)
    other = Schema((TensorSpec("w", (3, 2)), TensorSpec("b", (3,))))
    with pytest.raises(MalformedUpdate):
        await retrieval.update(content, other, max_bytes=10_000)


@pytest.mark.asyncio
async def test_a_store_that_lies_is_not_believed():
    class Liar(MemoryStore):
        async def get(self, content: ContentId):
            yield b"x" * content.size

    with pytest.raises(WrongDigest):
        await Retrieval(Liar()).content(content_id(b"truth"), max_bytes=100)


@pytest.mark.asyncio
async def test_a_specification_is_read_once_and_names_the_tensors():
    store = Counting()
    retrieval = Retrieval(store)
    specification = Specification(
        title="t",
        network=EntryReference("mlp"),
        training={},
        score=EntryReference("step"),
        aggregator=EntryReference("fedavg"),
        tensors=(("w", (2, 3)), ("b", (3,))),
    )
    content = await store.put(specification.encode())
    assert await retrieval.specification(content) == specification
    assert await retrieval.specification(content) == specification
    assert len(store.reads) == 1
    assert schema_of(specification) == SCHEMA
    with pytest.raises(MalformedSpecification):
        await retrieval.specification(await store.put(b"{}"))
