# SPDX-License-Identifier: Apache-2.0
"""The Kubo adapter against a real node."""

from __future__ import annotations

import json
import time
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import LEAF_BYTES, cid_text, content_id, parse_cid
from bcfl.storage.directory import DirectoryStore
from bcfl.storage.errors import (
    ContentNotFound,
    ContentOverlong,
    ContentTruncated,
    FetchTimedOut,
    StoreRefused,
    StoreUnreachable,
    WrongDigest,
)
from bcfl.storage.fetch import fetch
from bcfl.storage.kubo import KuboStore
from bcfl.storage.memory import MemoryStore
from bcfl.storage.opening import open_store

pytestmark = [pytest.mark.kubo, pytest.mark.asyncio]

SIZES = (0, 1, 153_560, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 3 * LEAF_BYTES, 10_000_000)


def pattern(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*groups, value))


async def everything(store, content: ContentId) -> bytes:
    async with aclosing(store.get(content)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_names_the_same_bytes_like_the_other_stores_and_gives_them_back(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        memory, directory = MemoryStore(), DirectoryStore(tmp_path / "store")
        for size in SIZES:
            data = pattern(size)
            content = await kubo.put(data)
            assert content == await memory.put(data) == await directory.put(data)
            assert await fetch(kubo, content, max_bytes=size, deadline_s=20) == data
            assert node.command("cat", cid_text(content)) == data


async def test_puts_what_ipfs_add_would(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node:
        for size in (1, 2 * LEAF_BYTES + 5):
            file = tmp_path / f"{size}.bin"
            file.write_bytes(pattern(size))
            options = (
                "--cid-version=1",
                "--raw-leaves",
                "--chunker=size-1048576",
                "--hash=sha2-256",
                "--quieter",
            )
            printed = node.command("add", *options, str(file)).decode().strip()
            assert printed == cid_text(content_id(pattern(size)))


async def test_layout_of_two_levels_is_the_nodes_own(daemons, tmp_path):
    # 175 leaves and a bit: two dag-pb nodes under a root. Only hashed by the node, not stored.
    size = 175 * LEAF_BYTES + 7
    file = tmp_path / "sparse.bin"
    with file.open("wb") as sparse:
        sparse.truncate(size)
    async with daemons.started_kubo(tmp_path) as node:
        options = ("--cid-version=1", "--raw-leaves", "--chunker=size-1048576", "--only-hash", "--quieter")
        printed = node.command("add", *options, str(file)).decode().strip()
    assert printed == cid_text(content_id(bytes(size)))


async def test_accepts_a_multiaddr(daemons, tmp_path):
    async with (
        daemons.started_kubo(tmp_path) as node,
        open_store("kubo", f"/ip4/127.0.0.1/tcp/{node.port}") as kubo,
    ):
        assert kubo.location == node.url
        content = await kubo.put(b"update")
        assert await everything(kubo, content) == b"update"


async def test_chunks_are_of_1_mib_at_most_and_a_left_stream_does_no_harm(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        content = await kubo.put(pattern(5_000_000))
        async with aclosing(kubo.get(content)) as chunks:
            assert 0 < len(await anext(chunks)) <= LEAF_BYTES
        assert await everything(kubo, content) == pattern(5_000_000)


async def test_missing_content_is_named_at_once(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        for absent in (content_id(b"nobody put this"), content_id(pattern(LEAF_BYTES + 9))):
            began = time.monotonic()
            with pytest.raises(ContentNotFound, match=cid_text(absent)):
                await fetch(kubo, absent, max_bytes=2 * LEAF_BYTES, deadline_s=20)
            with pytest.raises(ContentNotFound):
                await kubo.pin(absent)
            assert not await kubo.has(absent)
            assert time.monotonic() - began < 5


async def test_missing_leaf_in_the_middle_is_a_missing_content(daemons, tmp_path):
    data = pattern(2 * LEAF_BYTES) + b"last leaf"
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        content = await kubo.put(data)
        await kubo.unpin(content)
        node.command("block", "rm", cid_text(content_id(b"last leaf")))
        with pytest.raises(ContentNotFound):
            await fetch(kubo, content, max_bytes=len(data), deadline_s=20)


async def test_a_node_finds_what_another_has(daemons, tmp_path):
    data = pattern(3_000_000)
    async with (
        daemons.started_kubo(tmp_path / "one", online=True) as one,
        daemons.started_kubo(tmp_path / "two", online=True) as two,
        open_store("kubo", one.url) as first,
        open_store("kubo", two.url) as second,
    ):
        content = await first.put(data)
        address = json.loads(one.command("id"))["Addresses"][0]
        two.command("swarm", "connect", address)
        assert not await second.has(content)
        assert await fetch(second, content, max_bytes=len(data), deadline_s=20) == data
        assert await second.has(content)


async def test_a_search_in_vain_ends(daemons, tmp_path):
    absent = content_id(b"nobody put this")
    async with (
        daemons.started_kubo(tmp_path, online=True) as node,
        aclosing(KuboStore(node.url, timeout_s=0.5)) as impatient,
    ):
        with pytest.raises(ContentNotFound, match=cid_text(absent)):
            await fetch(impatient, absent, max_bytes=100, deadline_s=20)
        with pytest.raises(ContentNotFound):
            await impatient.pin(absent)
        assert not await impatient.has(absent)
        with pytest.raises(FetchTimedOut):
            await fetch(impatient, absent, max_bytes=100, deadline_s=0.1)


async def test_pins_decide_what_the_node_collects(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        kept, loose, again = [await kubo.put(word) for word in (b"kept", b"loose", b"again")]
        await kubo.unpin(loose)
        await kubo.unpin(loose)
        await kubo.unpin(again)
        await kubo.pin(again)
        node.command("repo", "gc")
        assert [await kubo.has(content) for content in (kept, loose, again)] == [True, False, True]


async def test_a_size_that_lies_is_found_out(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        small = await kubo.put(b"ten bytes.")
        with pytest.raises(ContentOverlong):
            await fetch(kubo, ContentId(small.digest, 9), max_bytes=100, deadline_s=20)
        with pytest.raises(ContentTruncated):
            await fetch(kubo, ContentId(small.digest, 11), max_bytes=100, deadline_s=20)
        large = await kubo.put(pattern(3 * LEAF_BYTES))
        with pytest.raises(ContentOverlong):
            await fetch(kubo, ContentId(large.digest, 2 * LEAF_BYTES), max_bytes=1 << 22, deadline_s=20)


async def test_a_file_of_another_layout_is_not_the_content(daemons, tmp_path):
    # The same bytes under 256 KiB leaves: the digest on chain is a real root, yet not the canonical one.
    size = LEAF_BYTES + 100
    file = tmp_path / "update.bin"
    file.write_bytes(pattern(size))
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        options = ("--cid-version=1", "--raw-leaves", "--chunker=size-262144", "--quieter")
        printed = node.command("add", *options, str(file)).decode().strip()
        digest, _ = parse_cid(printed)
        with pytest.raises(WrongDigest):
            await fetch(kubo, ContentId(digest, size), max_bytes=size, deadline_s=20)


async def test_a_root_that_is_no_file_of_ours_is_no_content(daemons, tmp_path):
    # Any block can be named on chain with a size above 1 MiB, so that the node takes it for a dag-pb node.
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "update").write_bytes(b"inside")
    blocks = {
        "not protobuf": b"random words",
        "no type": b"",
        "link without hash": bytes.fromhex("1200"),
        "garbage for UnixFS": b"\x0a\x03abc",
        "metadata": b"\x0a\x02\x08\x03",
        "symlink": b"\x0a\x07\x08\x04\x12\x03abc",
        "unknown type": b"\x0a\x02\x08\x09",
        "size without links": b"\x0a\x07\x08\x02\x18\xff\xff\xff\x7f",
    }
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        printed = node.command("add", "-r", "--cid-version=1", "--quieter", str(folder)).decode().strip()
        digests = {"folder": parse_cid(printed)[0]}
        for name, block in blocks.items():
            digests[name] = (await kubo.put(block)).digest
        for digest in digests.values():
            with pytest.raises((ContentNotFound, ContentTruncated)):
                await fetch(kubo, ContentId(digest, 2 * LEAF_BYTES), max_bytes=1 << 22, deadline_s=20)


async def test_a_root_that_unfolds_without_end_is_cut_off(daemons, tmp_path):
    # One leaf linked 174 times by each of three levels: 5 million MiB from four small blocks.
    leaf = bytes(LEAF_BYTES)
    cid, total = bytes((1, 0x55, 0x12, 0x20)) + content_id(leaf).digest, LEAF_BYTES
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        await kubo.put(leaf)
        for _ in range(3):
            link = b"\x0a\x24" + cid + b"\x12\x00\x18" + varint(total)
            sizes = b"".join(b"\x20" + varint(total) for _ in range(174))
            data = b"\x08\x02\x18" + varint(174 * total) + sizes
            block = (b"\x12" + varint(len(link)) + link) * 174 + b"\x0a" + varint(len(data)) + data
            root = await kubo.put(block)
            cid, total = bytes((1, 0x70, 0x12, 0x20)) + root.digest, 174 * total
        began = time.monotonic()
        with pytest.raises(ContentOverlong):
            await fetch(kubo, ContentId(root.digest, 4 * LEAF_BYTES), max_bytes=1 << 22, deadline_s=20)
        assert time.monotonic() - began < 5


async def test_two_hundred_concurrent_updates_arrive(daemons, tmp_path):
    blobs = [index.to_bytes(4, "big") + pattern(153_556) for index in range(200)]
    results: dict[int, bytes] = {}
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:

        async def round_trip(index: int) -> None:
            content = await kubo.put(blobs[index])
            results[index] = await fetch(kubo, content, max_bytes=200_000, deadline_s=60)

        async with anyio.create_task_group() as group:
            for index in range(len(blobs)):
                group.start_soon(round_trip, index)
    assert [results[index] for index in range(len(blobs))] == blobs


async def test_a_dead_node_is_named_by_every_call(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node, open_store("kubo", node.url) as kubo:
        content = await kubo.put(b"update")
        node.kill()
        for call in (
            kubo.put(b"another"),
            kubo.pin(content),
            kubo.unpin(content),
            kubo.has(content),
            kubo.version(),
            fetch(kubo, content, max_bytes=100, deadline_s=20),
        ):
            with pytest.raises(StoreUnreachable, match=node.url):
                await call
        with pytest.raises(StoreUnreachable, match="ipfs daemon"):
            async with open_store("kubo", node.url):
                pass


async def test_a_suspended_node_costs_no_more_than_the_deadline(daemons, tmp_path):
    async def gives_up(call) -> None:
        with pytest.raises(StoreUnreachable, match="did not answer"):
            await call

    async with (
        daemons.started_kubo(tmp_path) as node,
        open_store("kubo", node.url) as kubo,
        aclosing(KuboStore(node.url, timeout_s=0.2)) as impatient,
    ):
        content = await kubo.put(b"update")
        node.suspend()
        began = time.monotonic()
        with pytest.raises(FetchTimedOut):
            await fetch(kubo, content, max_bytes=100, deadline_s=0.3)
        async with anyio.create_task_group() as group:
            group.start_soon(gives_up, impatient.put(pattern(300_000)))
            group.start_soon(gives_up, impatient.has(content))
            group.start_soon(gives_up, fetch(impatient, content, max_bytes=100, deadline_s=20))
        assert time.monotonic() - began < 10
        node.resume()
        assert await fetch(kubo, content, max_bytes=100, deadline_s=20) == b"update"


async def test_the_same_store_goes_on_after_the_node_restarts(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node, aclosing(KuboStore(node.url)) as kubo:
        content = await kubo.put(b"before")
        node.kill()
        with pytest.raises(StoreUnreachable):
            await kubo.put(b"meanwhile")
        async with daemons.started_kubo(tmp_path, port=node.port):
            assert await fetch(kubo, content, max_bytes=100, deadline_s=20) == b"before"
            assert await everything(kubo, await kubo.put(b"after")) == b"after"
            await kubo.aclose()
            assert await kubo.has(content)  # a closed store opens again when it is used


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"hello", "not the RPC interface"),
        (200, b"[]", "not the RPC interface"),
        (
            200,
            b'{"Hash": "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"}',
            "not the RPC interface",
        ),
        (403, b"403 - Forbidden", "denies access"),
        (404, b"404 page not found", "refused"),
        (500, b'{"Message": "disk full", "Code": 0, "Type": "error"}', "disk full"),
    ],
)
async def test_what_is_no_kubo_node_or_no_well_one_is_refused(status, body, words):
    async with answering(status, body) as url:
        with pytest.raises(StoreRefused, match=words):
            async with open_store("kubo", url):
                pass


async def test_a_node_that_names_the_bytes_otherwise_is_refused():
    answer = b'{"Name": "file", "Hash": "QmOther", "Size": "6"}'
    async with answering(200, answer) as url, aclosing(KuboStore(url)) as kubo:
        with pytest.raises(StoreRefused, match="QmOther"):
            await kubo.put(b"update")


@asynccontextmanager
async def answering(status: int, body: bytes):
    """A server that answers every request alike."""

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            await stream.send(head.encode() + b"Connection: close\r\n\r\n" + body)
            async for _ in stream:  # closing on unread bytes would reset the connection
                pass

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        yield f"http://127.0.0.1:{port}"
        group.cancel_scope.cancel()
