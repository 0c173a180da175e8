# SPDX-License-Identifier: Apache-2.0
"""The test daemons themselves: found, started, stopped, and never silently missing where they are required."""

from __future__ import annotations

import json

import anyio
import pytest
from websockets.asyncio.client import connect


@pytest.fixture
def nowhere(daemons, monkeypatch, tmp_path):
    """A machine without the programs."""
    for variable in ("BCFL_TEST_IPFS", "BCFL_TEST_GETH", "BCFL_REQUIRE_DAEMONS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(daemons, "_SHARED", tmp_path)


def test_without_a_program_a_test_skips_and_says_why(daemons, nowhere):
    for find, name in ((daemons.kubo_program, "BCFL_TEST_IPFS"), (daemons.geth_program, "BCFL_TEST_GETH")):
        with pytest.raises(pytest.skip.Exception, match=name):
            find()


def test_where_daemons_are_required_it_fails(daemons, nowhere, monkeypatch):
    monkeypatch.setenv("BCFL_REQUIRE_DAEMONS", "1")
    with pytest.raises(pytest.fail.Exception, match="BCFL_TEST_IPFS"):
        daemons.kubo_program()


def test_the_variable_comes_before_the_path(daemons, nowhere, monkeypatch, tmp_path):
    for folder in ("named", "path"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ipfs").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert daemons.kubo_program() == tmp_path / "path" / "ipfs"
    monkeypatch.setenv("BCFL_TEST_IPFS", str(tmp_path / "named" / "ipfs"))
    assert daemons.kubo_program() == tmp_path / "named" / "ipfs"


@pytest.mark.kubo
@pytest.mark.asyncio
async def test_a_suspended_daemon_is_stopped_too(daemons, tmp_path):
    async with daemons.started_kubo(tmp_path) as node:
        node.suspend()
    assert node.process.returncode is not None


@pytest.mark.geth
@pytest.mark.asyncio
@pytest.mark.parametrize("period", [None, 1])
async def test_geth_answers_and_makes_blocks_as_asked(daemons, tmp_path, period):
    async with daemons.running_geth(tmp_path, period) as url, connect(url) as socket:

        async def ask(method: str):
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}))
            return json.loads(await socket.recv())["result"]

        assert int(await ask("eth_chainId"), 16) == 1337
        assert len(await ask("eth_accounts")) == 1
        if period is None:
            await anyio.sleep(1.5)
            assert int(await ask("eth_blockNumber"), 16) == 0
        else:
            with anyio.fail_after(15):
                while int(await ask("eth_blockNumber"), 16) < 2:
                    await anyio.sleep(0.1)
