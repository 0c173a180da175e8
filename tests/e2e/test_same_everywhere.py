# SPDX-License-Identifier: Apache-2.0
"""One scenario, other clocks, nodes and stores: the same content ids and tokens."""

from __future__ import annotations

import json

import pytest

SOON = ("--set", "task.schedule.closing_s=2")


def test_an_interval_mined_devnet_without_the_driver(finished, outcome):
    assert outcome(finished(*SOON)) == outcome(finished(*SOON, "--set", "chain.block_time=0.3"))


@pytest.mark.kubo
@pytest.mark.asyncio
async def test_a_real_kubo_daemon_and_its_cat(start, bcfl, outcome, daemons, tmp_path):
    import anyio.to_thread

    driven = start()
    assert await anyio.to_thread.run_sync(driven.end) == 0, driven.text
    async with daemons.started_kubo(tmp_path) as kubo:
        run = start("--set", "storage.kind=kubo", "--set", f"storage.url={kubo.url}")
        assert await anyio.to_thread.run_sync(run.end) == 0, run.text
        assert outcome(run.directory) == outcome(driven.directory)
        cid = json.loads((run.directory / "summary.json").read_text())["final"]["cid"]
        shown = await anyio.to_thread.run_sync(kubo.command, "cat", cid)
        assert shown == (run.directory / "final.safetensors").read_bytes()
        audited = await anyio.to_thread.run_sync(bcfl, "audit", str(run.directory))
        assert audited.returncode == 0, audited.stdout


@pytest.mark.thorough
@pytest.mark.geth
@pytest.mark.asyncio
async def test_a_real_geth(start, outcome, daemons, tmp_path):
    import anyio.to_thread

    driven = start(*SOON)
    assert await anyio.to_thread.run_sync(driven.end) == 0, driven.text
    async with daemons.running_geth(tmp_path, 1) as url:
        run = start(*SOON, "--set", f"chain.url={url}")
        assert await anyio.to_thread.run_sync(run.end) == 0, run.text
    assert outcome(run.directory) == outcome(driven.directory)
