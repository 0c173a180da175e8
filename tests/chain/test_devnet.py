# SPDX-License-Identifier: Apache-2.0
"""The devnet launcher: what it starts it ends."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from bcfl.chain.devnet import Devnet, find_anvil, mine, pending_count, set_balance
from bcfl.chain.errors import AnvilNotFound, ConnectionLost, DevnetDied, RpcError
from bcfl.chain.node import open_node
from bcfl.contracts import toolchain
from bcfl.contracts.ids import Address

pytestmark = pytest.mark.anvil


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.asyncio
async def test_starts_on_a_free_loopback_port_and_leaves_nothing_behind():
    async with Devnet.start() as one, Devnet.start() as two:
        assert one.port != two.port
        assert one.url == f"ws://127.0.0.1:{one.port}"
        assert alive(one.pid)
        assert os.getsid(one.pid) != os.getsid(0)  # Ctrl-C at the terminal does not reach it
        assert not one.exited.is_set()
    assert not alive(one.pid)
    assert not alive(two.pid)
    assert one.exited.is_set()


@pytest.mark.asyncio
async def test_options_reach_the_chain():
    async with (
        Devnet.start(
            accounts=3, base_fee=7, gas_limit=50_000_000, timestamp=1_600_000_000, chain_id=4242
        ) as devnet,
        open_node(devnet.url) as node,
    ):
        genesis = await node.block(0)
        assert node.chain_id == 4242
        assert genesis.ref.timestamp == 1_600_000_000
        assert genesis.gas_limit == 50_000_000
        assert len(await node.accounts()) == 3
        assert (await node.block("latest")).base_fee == 7
        for _ in range(5):
            await mine(node)
        assert (await node.block("safe")).ref.number == 4
        assert (await node.block("finalized")).ref.number == 3


@pytest.mark.asyncio
async def test_the_driver_mines_and_moves_time(emitter):
    node = emitter.node
    newest = await node.block("latest")
    await emitter.emit(1)
    await emitter.emit(2)
    assert await pending_count(node) == 2
    await anyio.sleep(0.1)
    assert await node.block_number() == newest.ref.number  # nobody else mines
    mined = await mine(node, timestamp=newest.ref.timestamp + 12_345)
    assert mined.number == newest.ref.number + 1
    assert mined.timestamp == newest.ref.timestamp + 12_345
    assert await pending_count(node) == 0
    with pytest.raises(RpcError, match="Timestamp error"):
        await mine(node, timestamp=mined.timestamp - 1)
    someone = Address("0x000000000000000000000000000000000000dEaD")
    await set_balance(node, someone, 10**30)
    assert await node.balance(someone) == 10**30


@pytest.mark.asyncio
async def test_interval_mining_needs_no_driver():
    async with Devnet.start(block_time=0.1) as devnet, open_node(devnet.url) as node:
        with anyio.fail_after(10):
            while await node.block_number() < 3:
                await anyio.sleep(0.05)


@pytest.mark.asyncio
async def test_the_pool_is_first_come_first_served(emitter):
    await emitter.node.transport.request("anvil_setBlockGasLimit", [hex(30_000_000)])
    accounts = await emitter.node.accounts()
    order = [accounts[place] for place in (3, 1, 2, 0)]
    for price, sender in enumerate(order):
        await emitter.node.transport.request(
            "eth_sendTransaction",
            [
                {
                    "from": sender,
                    "to": emitter.address,
                    "gas": hex(60_000),
                    "gasPrice": hex((price + 1) * 10**9),
                }
            ],
        )
    mined = await mine(emitter.node)
    receipts = await emitter.node.receipts(mined.number)
    assert [receipt["from"] for receipt in receipts] == [sender.lower() for sender in order]


@pytest.mark.asyncio
async def test_state_outlives_the_process(tmp_path, deploy):
    state = tmp_path / "state.json"
    async with Devnet.start(state=state, timestamp=1_700_000_000) as devnet, open_node(devnet.url) as node:
        emitter = await deploy(node)
        newest = await emitter.emit_block(3)
        genesis = node.genesis_hash
    assert state.is_file()
    async with Devnet.start(state=state) as devnet, open_node(devnet.url) as node:
        assert node.genesis_hash == genesis
        assert (await node.block("latest")).ref == newest
        assert len(await node.logs(newest.hash, [emitter.address])) == 1
        assert (await mine(node)).parent_hash == newest.hash


@pytest.mark.asyncio
async def test_nothing_is_left_behind_when_cancelled():
    pids = []

    async def hold():
        async with Devnet.start() as devnet:
            pids.append(devnet.pid)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(hold)
        while not pids:
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert not alive(pids[0])


@pytest.mark.asyncio
@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02, 0.05])
async def test_nothing_is_left_behind_when_cancelled_while_starting(tmp_path, monkeypatch, after_s):
    pids = tmp_path / "pids"
    monkeypatch.setenv(
        "BCFL_ANVIL", str(program(tmp_path / "anvil", f'echo $$ >> {pids}; exec {find_anvil()} "$@"'))
    )
    with anyio.move_on_after(after_s):
        async with Devnet.start():
            await anyio.sleep_forever()
    await anyio.sleep(0.1)
    for pid in pids.read_text().split() if pids.exists() else ():
        assert not alive(int(pid))


@pytest.mark.asyncio
async def test_nothing_is_left_behind_when_the_block_fails():
    with pytest.raises(ZeroDivisionError):
        async with Devnet.start() as devnet:
            _ = 1 / 0
    assert not alive(devnet.pid)


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs Linux's setpriv")
async def test_nothing_is_left_behind_when_this_process_is_killed():
    script = """
import anyio
from bcfl.chain.devnet import Devnet

async def main():
    async with Devnet.start() as devnet:
        print(devnet.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = next(int(line) for line in parent.stdout if line.strip().isdigit())
        assert alive(pid)
        parent.kill()
    with anyio.fail_after(5):
        while alive(pid):
            await anyio.sleep(0.05)


@pytest.mark.asyncio
async def test_death_is_one_sentence(anvil):
    os.kill(anvil.pid, signal.SIGKILL)
    with anyio.fail_after(5):
        await anvil.exited.wait()
        with pytest.raises(DevnetDied) as caught:
            await anvil.watch()
    assert str(caught.value) == f"The devnet (anvil) at {anvil.url} ended on signal 9."


@pytest.mark.asyncio
async def test_stopping_is_no_death(anvil):
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(anvil.watch)
            await anyio.sleep(0.01)
            await anvil.stop()
            await anvil.stop()  # safe to repeat


@pytest.mark.asyncio
async def test_an_anvil_that_ignores_the_request_to_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("bcfl.chain.devnet._STOP_TIMEOUT_S", 0.3)
    async with Devnet.start() as devnet:
        os.kill(devnet.pid, signal.SIGSTOP)  # a stopped process does not act on TERM
        with anyio.fail_after(5):
            await devnet.stop()
        assert not alive(devnet.pid)


@pytest.mark.asyncio
async def test_a_taken_port_is_named(anvil):
    with pytest.raises(DevnetDied, match="in use"):
        async with Devnet.start(port=anvil.port):
            pass
    async with open_node(anvil.url) as node:  # the one that was there is unharmed
        assert node.chain_id == 31337


@pytest.mark.asyncio
async def test_calls_are_not_written_down_for_ever(anvil, node):
    before = os.fstat(anvil._output.fileno()).st_size
    for _ in range(50):
        await node.block_number()
    assert os.fstat(anvil._output.fileno()).st_size == before


@pytest.mark.asyncio
async def test_a_binary_that_fails_gives_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setenv("BCFL_ANVIL", str(program(tmp_path / "anvil", "echo no such option >&2; exit 3")))
    with pytest.raises(DevnetDied, match=r"ended with status 3: no such option\.$"):
        async with Devnet.start():
            pass


@pytest.mark.asyncio
async def test_a_file_that_is_no_program(tmp_path, monkeypatch):
    (tmp_path / "anvil").write_text("not a program")
    monkeypatch.setenv("BCFL_ANVIL", str(tmp_path / "anvil"))
    with pytest.raises(AnvilNotFound, match="BCFL_ANVIL names"):
        async with Devnet.start():
            pass


def test_anvil_is_looked_for_in_order(tmp_path, monkeypatch):
    named = program(tmp_path / "mine", "exit 0")
    assert find_anvil({"BCFL_ANVIL": str(named)}) == named
    with pytest.raises(AnvilNotFound, match="BCFL_ANVIL names"):
        find_anvil({"BCFL_ANVIL": str(tmp_path / "absent")})
    assert find_anvil({"PATH": ""}) == toolchain.program("anvil")
    monkeypatch.setattr(toolchain, "ROOT", tmp_path / "contracts")
    on_path = program(tmp_path / "anvil", "exit 0")
    assert find_anvil({"PATH": str(tmp_path)}) == on_path
    with pytest.raises(AnvilNotFound, match="npm install"):
        find_anvil({"PATH": str(tmp_path / "empty")})


@pytest.mark.asyncio
async def test_a_connection_to_a_stopped_devnet_is_lost(anvil, node):
    await anvil.stop()
    with pytest.raises(ConnectionLost):
        await node.block_number()


@pytest.mark.asyncio
async def test_of_what_a_refused_file_makes_it_say_the_error_is_told_and_not_the_advice(tmp_path):
    state = tmp_path / "half.state"
    state.write_text('{"block": {')
    with pytest.raises(DevnetDied, match=r"error: .*half\.state.*--state"):
        async with Devnet.start(state=state):
            pass
