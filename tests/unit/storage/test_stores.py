# SPDX-License-Identifier: Apache-2.0
"""What the stores in memory and in a directory have in common; ``tests/storage`` asks the same of a real Kubo."""

from __future__ import annotations

import errno
import os
from contextlib import aclosing

import pytest

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import LEAF_BYTES, cid_text, content_id
from bcfl.storage.directory import DirectoryStore
from bcfl.storage.errors import ContentNotFound, StoreFull, StoreUnreachable
from bcfl.storage.memory import MemoryStore

pytestmark = pytest.mark.asyncio

ABSENT = content_id(b"nobody put this")


@pytest.fixture(params=["memory", "directory"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else DirectoryStore(tmp_path / "not" / "yet" / "made")


async def chunks_of(store, content: ContentId) -> list[bytes]:
    async with aclosing(store.get(content)) as chunks:
        return [chunk async for chunk in chunks]


@pytest.mark.parametrize(
    "size", [0, 1, 153_560, LEAF_BYTES, LEAF_BYTES + 1, 2 * LEAF_BYTES, 3 * LEAF_BYTES - 1]
)
async def test_gives_back_what_was_put_in_chunks_of_a_leaf(store, size):
    data = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    data = data[:size]
    content = await store.put(data)
    assert content == content_id(data)
    chunks = await chunks_of(store, content)
    assert b"".join(chunks) == data
    assert all(0 < len(chunk) <= LEAF_BYTES for chunk in chunks)


async def test_putting_twice_is_putting_once(store):
    assert await store.put(b"same") == await store.put(b"same")
    assert await chunks_of(store, content_id(b"same")) == [b"same"]


async def test_absent_contents_are_named(store):
    with pytest.raises(ContentNotFound, match=cid_text(ABSENT)):
        await chunks_of(store, ABSENT)
    with pytest.raises(ContentNotFound, match=cid_text(ABSENT)):
        await store.pin(ABSENT)
    assert not await store.has(ABSENT)
    await store.unpin(ABSENT)
    assert await store.collect() == 0


async def test_only_unpinned_contents_are_collected(store):
    kept, loose, again = [await store.put(word) for word in (b"kept", b"loose", b"again")]
    await store.unpin(loose)
    await store.unpin(loose)
    await store.unpin(again)
    await store.pin(again)
    assert await store.collect() == 1
    assert [await store.has(content) for content in (kept, loose, again)] == [True, False, True]
    with pytest.raises(ContentNotFound):
        await chunks_of(store, loose)
    assert await store.collect() == 0


async def test_the_root_block_of_a_file_is_another_content_than_the_file(store):
    # Same digest, other codec: naming a small block with a large size must not find it.
    small = await store.put(b"small")
    assert not await store.has(ContentId(small.digest, LEAF_BYTES + 1))
    assert await store.has(ContentId(small.digest, LEAF_BYTES))  # the size is fetch's business


async def test_tells_what_and_where_it_is(store):
    assert (store.kind, bool(store.location)) in {("memory", True), ("directory", True)}
    await store.aclose()


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, StoreUnreachable)]
)
async def test_a_full_disk_is_told_from_one_that_does_not_answer(tmp_path, monkeypatch, number, kind):
    def fsync(_):
        raise OSError(number, os.strerror(number))

    store = DirectoryStore(tmp_path / "store")
    await store.put(b"before")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(kind, match=os.strerror(number)):
        await store.put(b"after")
    assert list((tmp_path / "store" / "partial").iterdir()) == []
