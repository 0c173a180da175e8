# SPDX-License-Identifier: Apache-2.0
"""A process killed at any point of an effect and started again makes the effect once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from eth_utils.address import to_checksum_address

from bcfl.chain.devnet import mine, set_balance
from bcfl.chain.journal import ActionKey, Journal, OutboxStatus
from bcfl.chain.keys import derive_key

pytestmark = pytest.mark.anvil

SCRIPT = Path(__file__).with_name("one_effect.py")
COUNTER = to_checksum_address("0x00000000000000000000000000000000C0DE0001")
COUNT_BY_KEY = "0x5f358054600101905500"  # storage[calldata[0:32]] += 1
KEY = ActionKey("trainer", "0xtask", 1, "commit")


async def run_script(anvil, journal, *, crash_at=""):
    environment = {**os.environ, "BCFL_CRASH_AT": crash_at}
    command = [sys.executable, str(SCRIPT), anvil.url, str(journal), COUNTER]
    return await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    )


async def effects(node):
    await mine(node)  # whatever still waits in the pool counts too
    slot = await node.transport.request("eth_getStorageAt", [COUNTER, hex(7), "latest"])
    return int(slot, 16)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("point", "effects_at_crash", "status_at_crash"),
    [
        ("after-handler", 0, None),
        ("after-journal", 0, None),
        ("after-sign", 0, None),
        ("after-outbox", 0, OutboxStatus.PENDING),
        ("after-send", 1, OutboxStatus.PENDING),
        ("after-inclusion", 1, OutboxStatus.PENDING),
    ],
)
async def test_killed_and_started_again_the_effect_happens_once(
    anvil, node, tmp_path, point, effects_at_crash, status_at_crash
):
    path = tmp_path / "journal.db"
    await node.transport.request("anvil_setCode", [COUNTER, COUNT_BY_KEY])
    await set_balance(node, derive_key(b"\x11" * 32).address, 10**18)

    killed = await run_script(anvil, path, crash_at=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    async with Journal.open(path, chain_id=node.chain_id, genesis_hash=node.genesis_hash) as journal:
        entry = await journal.transaction(KEY)
        assert (None if entry is None else entry.status) is status_at_crash
        assert await journal.action(KEY) == (None if point == "after-handler" else b"salt")
    assert await effects(node) == effects_at_crash

    restarted = await run_script(anvil, path)
    assert restarted.returncode == 0, restarted.stderr
    assert await effects(node) == 1
    async with Journal.open(path, chain_id=node.chain_id, genesis_hash=node.genesis_hash) as journal:
        assert (await journal.transaction(KEY)).status is OutboxStatus.INCLUDED
