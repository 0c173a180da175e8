# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import pytest

from bcfl.storage.errors import InvalidLocation, StoreUnreachable
from bcfl.storage.kubo import KuboStore
from bcfl.storage.opening import open_store

pytestmark = pytest.mark.asyncio


async def test_opens_a_store_in_memory():
    async with open_store("memory") as store:
        assert store.kind == "memory"
        content = await store.put(b"update")
    assert not await store.has(content)


async def test_opens_a_store_in_a_directory_that_outlives_it(tmp_path):
    async with open_store("directory", str(tmp_path / "store")) as store:
        assert (store.kind, store.location) == ("directory", str(tmp_path / "store"))
        content = await store.put(b"update")
    async with open_store("directory", str(tmp_path / "store")) as again:
        assert await again.has(content)


async def test_without_a_node_a_kubo_store_does_not_open(unused_tcp_port):
    with pytest.raises(StoreUnreachable, match=f"127.0.0.1:{unused_tcp_port}.*ipfs daemon"):
        async with open_store("kubo", f"http://127.0.0.1:{unused_tcp_port}"):
            pass


@pytest.mark.parametrize(
    ("kind", "location"),
    [
        ("memory", "somewhere"),
        ("directory", None),
        ("directory", ""),
        ("s3", "bucket"),
        ("kubo", "somewhere"),
    ],
)
async def test_words_that_name_no_store_are_refused(kind, location):
    with pytest.raises(InvalidLocation):
        async with open_store(kind, location):
            pass


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ("http://127.0.0.1:5001/", "http://127.0.0.1:5001"),
        ("http://localhost", "http://localhost:5001"),
        ("https://node.example:443", "https://node.example:443"),
        ("http://[::1]:5001", "http://[::1]:5001"),
        ("/ip4/127.0.0.1/tcp/5001", "http://127.0.0.1:5001"),
        ("/ip4/127.0.0.1/tcp/5001/http", "http://127.0.0.1:5001"),
        ("/ip6/::1/tcp/5001", "http://[::1]:5001"),
        ("/dns4/node.example/tcp/443/https", "https://node.example:443"),
    ],
)
async def test_addresses_of_a_node(text, location):
    assert KuboStore(text).location == location


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:5001",
        "ftp://127.0.0.1:5001",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:5001/api/v0",
        "http://user:secret@127.0.0.1:5001",
        "/ip4/127.0.0.1",
        "/ip4/127.0.0.1/udp/5001",
        "/unix/tmp/socket",
    ],
)
async def test_other_words_are_no_addresses(text):
    with pytest.raises(InvalidLocation):
        KuboStore(text)


async def test_opening_does_not_import_the_kubo_client():
    script = "import sys, bcfl.storage.opening; assert not {'aioipfs', 'aiohttp'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
