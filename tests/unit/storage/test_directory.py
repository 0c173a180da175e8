# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import aclosing

import anyio
import pytest

from bcfl.storage.content_id import LEAF_BYTES, cid_text, content_id
from bcfl.storage.directory import DirectoryStore
from bcfl.storage.errors import ContentNotFound, StoreFull, StoreUnreachable, WrongDigest

pytestmark = pytest.mark.asyncio


async def everything(store, content) -> bytes:
    async with aclosing(store.get(content)) as chunks:
        return b"".join([chunk async for chunk in chunks])


def blob_path(root, content):
    return root / "blobs" / content.digest[:1].hex() / cid_text(content)


async def test_another_process_finds_pins_and_collects(tmp_path):
    store = DirectoryStore(tmp_path)
    ours = await store.put(b"from here")
    script = (
        "import sys, anyio\n"
        "from bcfl.storage.directory import DirectoryStore\n"
        "from bcfl.storage.content_id import content_id\n"
        "async def main():\n"
        "    store = DirectoryStore(sys.argv[1])\n"
        "    assert await store.has(content_id(b'from here'))\n"
        "    await store.put(b'from there')\n"
        "    assert await store.collect() == 0\n"
        "anyio.run(main)\n"
    )
    await anyio.to_thread.run_sync(
        lambda: subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    )
    assert await everything(store, content_id(b"from there")) == b"from there"
    await store.unpin(ours)
    assert await store.collect() == 1
    assert await store.has(content_id(b"from there"))


@pytest.mark.parametrize("size", [100, LEAF_BYTES + 100])
@pytest.mark.parametrize("damage", ["flip", "cut", "extend"])
async def test_a_damaged_file_is_found_out_and_healed_by_putting_again(tmp_path, size, damage):
    store = DirectoryStore(tmp_path)
    data = os.urandom(size)
    content = await store.put(data)
    bad = {"flip": bytes([data[0] ^ 1]) + data[1:], "cut": data[:-1], "extend": data + b"\0"}[damage]
    blob_path(tmp_path, content).write_bytes(bad)
    with pytest.raises(WrongDigest, match=cid_text(content)):
        await everything(store, content)
    await store.put(data)
    assert await everything(store, content) == data


async def test_a_write_that_fails_leaves_no_blob_and_no_rest(tmp_path, monkeypatch):
    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    store = DirectoryStore(tmp_path)
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StoreFull, match="No space left on device"):
        await store.put(b"update")
    assert not await store.has(content_id(b"update"))
    assert list((tmp_path / "partial").iterdir()) == []


async def test_a_path_that_is_a_file_is_named(tmp_path):
    (tmp_path / "store").write_bytes(b"")
    store = DirectoryStore(tmp_path / "store")
    with pytest.raises(StoreUnreachable, match="cannot be written"):
        await store.put(b"update")
    with pytest.raises(StoreUnreachable, match="cannot be read"):
        await everything(store, content_id(b"update"))


async def test_a_content_collected_while_it_is_read_is_not_found(tmp_path):
    store = DirectoryStore(tmp_path)
    content = await store.put(bytes(2 * LEAF_BYTES + 1))
    async with aclosing(store.get(content)) as chunks:
        assert len(await anext(chunks)) == LEAF_BYTES
        await store.unpin(content)
        assert await store.collect() == 1
        with pytest.raises(ContentNotFound):
            await anext(chunks)


async def test_a_pin_set_while_collecting_saves_the_content(tmp_path, monkeypatch):
    store = DirectoryStore(tmp_path)
    content = await store.put(b"wanted")
    await store.unpin(content)
    replace = type(tmp_path).replace

    def pinned_meanwhile(path, target):
        (tmp_path / "pins" / cid_text(content)).touch()
        return replace(path, target)

    monkeypatch.setattr(type(tmp_path), "replace", pinned_meanwhile)
    assert await store.collect() == 0
    assert await everything(store, content) == b"wanted"


async def test_a_pin_on_nothing_leaves_no_trace(tmp_path):
    with pytest.raises(ContentNotFound):
        await DirectoryStore(tmp_path).pin(content_id(b"nobody put this"))
    assert list((tmp_path / "pins").iterdir()) == []


async def test_collect_removes_what_crashed_writers_left(tmp_path):
    store = DirectoryStore(tmp_path)
    await store.put(b"update")
    old, fresh = tmp_path / "partial" / "old", tmp_path / "partial" / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half an upd")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert await store.collect() == 0
    assert not old.exists()
    assert fresh.exists()


async def test_writers_readers_and_collectors_at_once(tmp_path):
    store, other = DirectoryStore(tmp_path), DirectoryStore(tmp_path)

    async def write(index: int) -> None:
        data = index.to_bytes(2, "big") * 500
        for _ in range(3):
            content = await store.put(data)
            assert await everything(other, content) == data

    async def collect() -> None:
        for _ in range(10):
            assert await other.collect() == 0

    async with anyio.create_task_group() as group:
        group.start_soon(collect)
        for index in range(20):
            group.start_soon(write, index)
