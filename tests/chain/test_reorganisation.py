# SPDX-License-Identifier: Apache-2.0
"""Reorganisations on a real anvil, which tells its subscribers nothing about them."""

from __future__ import annotations

import anyio
import pytest

from bcfl.chain.devnet import Devnet, mine
from bcfl.chain.errors import ReorganisationTooDeep
from bcfl.chain.node import open_node
from bcfl.contracts.delivery import Batch, Level, Retracted

pytestmark = pytest.mark.anvil


async def reorganise(node, depth):
    """Replace the newest blocks by as many without their transactions."""
    await node.transport.request("anvil_reorg", [depth, []])


async def roll_back(node, depth):
    await node.transport.request("anvil_rollback", [depth])


async def caught_up(pump, block):
    with anyio.fail_after(10):
        while pump.cursor != block:
            await anyio.sleep(0.01)


@pytest.mark.asyncio
@pytest.mark.parametrize("depth", [1, 3, 40])
async def test_replaced_blocks_are_retracted_before_the_new_ones_come(
    emitter, ledger, make_pump, running, depth
):
    pump = make_pump(emitter, confirmations=50)
    async with running(pump, ledger):
        for tag in range(depth + 2):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
        assert ledger.tags == list(range(depth + 2))
        await reorganise(emitter.node, depth)
        await emitter.emit_block(1000)
        await caught_up(pump, (await emitter.node.block("latest")).ref)
    assert ledger.tags == [0, 1, 1000]
    assert ledger.retractions == [list(range(newest.number, newest.number - depth, -1))]
    assert pump.retracted == depth
    place = next(i for i, d in enumerate(ledger.deliveries) if isinstance(d, Retracted))
    assert ledger.deliveries[place + 1].block.number == newest.number - depth + 1


@pytest.mark.asyncio
async def test_consecutive_reorganisations(emitter, ledger, make_pump, running):
    pump = make_pump(emitter, confirmations=50)
    await emitter.emit_block(0)
    async with running(pump, ledger):
        for tag in range(1, 6):
            newest = await emitter.emit_block(tag)
            await pump.reached(newest.number)
            await reorganise(emitter.node, 1)
            await caught_up(pump, (await emitter.node.block("latest")).ref)
        newest = await emitter.emit_block(99)
        await pump.reached(newest.number)
    assert ledger.tags == [0, 99]
    assert len(ledger.retractions) == 5


@pytest.mark.asyncio
async def test_empty_blocks_are_replaced_too(emitter, ledger, make_pump, running):
    pump = make_pump(emitter, confirmations=50)
    async with running(pump, ledger):
        newest = await mine(emitter.node)
        newest = await mine(emitter.node, timestamp=newest.timestamp + 10)
        await pump.reached(newest.number)
        await roll_back(emitter.node, 1)
        replacement = await mine(emitter.node, timestamp=newest.timestamp + 100)
        assert replacement.number == newest.number
        await caught_up(pump, replacement)
    assert ledger.retractions == [[newest.number]]
    assert ledger.blocks[-1].block == replacement


@pytest.mark.asyncio
async def test_a_rollback_without_any_new_head_is_noticed_by_the_watchdog(
    emitter, ledger, make_pump, running
):
    pump = make_pump(emitter, confirmations=50, head_timeout_s=0.2)
    async with running(pump, ledger):
        kept = await emitter.emit_block(1)
        newest = await emitter.emit_block(2)
        await pump.reached(newest.number)
        await roll_back(emitter.node, 1)
        await caught_up(pump, kept)
    assert ledger.tags == [1]
    assert ledger.retractions == [[newest.number]]


@pytest.mark.asyncio
async def test_a_shorter_chain_replaces_a_longer_one(emitter, ledger, make_pump, running):
    pump = make_pump(emitter, confirmations=50)
    async with running(pump, ledger):
        for tag in range(6):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
        await roll_back(emitter.node, 5)
        replacement = await emitter.emit_block(77)
        assert replacement.number == newest.number - 4
        await caught_up(pump, replacement)
    assert ledger.tags == [0, 77]


@pytest.mark.asyncio
async def test_only_blocks_that_stay_become_final(emitter, ledger, make_pump, running):
    pump = make_pump(emitter, confirmations=3)
    async with running(pump, ledger):
        for tag in range(4):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
        await reorganise(emitter.node, 2)  # tags 2 and 3 never happened
        for tag in range(10, 15):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
    assert ledger.tags == [0, 1, 10, 11, 12, 13, 14]
    assert ledger.final_tags == [0, 1, 10, 11]
    final = [d.block.hash for d in ledger.deliveries if isinstance(d, Batch) and d.level is Level.FINAL]
    gone = {b.hash for d in ledger.deliveries if isinstance(d, Retracted) for b in d.blocks}
    assert not gone.intersection(final)


@pytest.mark.asyncio
async def test_deeper_than_what_was_final_stops_the_pump(emitter, ledger, make_pump):
    pump = make_pump(emitter, confirmations=1)
    errors = []

    async def run():
        try:
            await pump.run(ledger)
        except ReorganisationTooDeep as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        for tag in range(4):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
        await reorganise(emitter.node, 2)
    assert "final" in str(errors[0])
    assert ledger.retractions == []  # nothing is guessed
    assert ledger.tags == [0, 1, 2, 3]


@pytest.mark.asyncio
async def test_deeper_than_the_window_stops_the_pump(emitter, ledger, make_pump):
    pump = make_pump(emitter, confirmations=100, window=4)
    errors = []

    async def run():
        try:
            await pump.run(ledger)
        except ReorganisationTooDeep as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        for tag in range(8):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
        await reorganise(emitter.node, 6)
    assert "remembered" in str(errors[0])
    assert ledger.retractions == []


@pytest.mark.asyncio
async def test_a_node_that_lags_behind_final_blocks_retracts_nothing(emitter, ledger, make_pump, running):
    pump = make_pump(emitter, confirmations=0, head_timeout_s=0.1)
    async with running(pump, ledger):
        newest = await emitter.emit_block(1)
        await pump.reached(newest.number)
        await roll_back(emitter.node, 1)
        await anyio.sleep(0.4)
        assert pump.cursor == newest
    assert ledger.retractions == []


@pytest.mark.asyncio
@pytest.mark.parametrize("kept", [False, True], ids=["cursor alone", "with recent headers"])
@pytest.mark.parametrize("depth", [1, 4])
async def test_a_reorganisation_while_the_pump_was_down(emitter, ledger, make_pump, running, depth, kept):
    pump = make_pump(emitter, confirmations=10)
    async with running(pump, ledger):
        for tag in range(6):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
    await reorganise(emitter.node, depth)
    replacement = await emitter.emit_block(50)
    again = make_pump(emitter, confirmations=10, start=pump.cursor, recent=pump.recent if kept else ())
    if depth > 1 and not kept:  # anvil forgets what it replaced, and a cursor names its parent only
        with pytest.raises(ReorganisationTooDeep):
            await again.run(ledger)
        return
    async with running(again, ledger):
        await caught_up_from_the_start(again, replacement)
    assert ledger.tags == [*range(6 - depth), 50]
    assert ledger.retractions == [list(range(newest.number, newest.number - depth, -1))]


async def caught_up_from_the_start(pump, block):
    await pump.reached(block.number)
    await caught_up(pump, block)


@pytest.mark.asyncio
async def test_a_reorganisation_below_the_start_retracts_nothing_that_was_not_delivered(
    emitter, ledger, make_pump, running
):
    for tag in range(5):
        newest = await emitter.emit_block(tag)
    pump = make_pump(emitter, confirmations=1, start=newest.number)
    async with running(pump, ledger):
        await pump.reached(newest.number)
        await reorganise(emitter.node, 3)
        newest = await emitter.emit_block(9)
        await caught_up(pump, newest)
    assert ledger.retractions == [[newest.number - 1]]
    assert ledger.tags == [9]


@pytest.mark.asyncio
async def test_the_same_genesis_with_another_history_is_not_followed(deploy, ledger, make_pump, running):
    async with Devnet.start(timestamp=1_700_000_000) as devnet, open_node(devnet.url) as node:
        emitter = await deploy(node)
        pump = make_pump(emitter, window=3)
        async with running(pump, ledger):
            for tag in range(5):
                newest = await emitter.emit_block(tag)
            await pump.reached(newest.number)
    async with Devnet.start(timestamp=1_700_000_000) as other, open_node(other.url) as fresh:
        assert fresh.genesis_hash == node.genesis_hash
        emitter.node = fresh
        with pytest.raises(ReorganisationTooDeep):
            await make_pump(emitter, start=pump.cursor, recent=pump.recent, window=3).run(ledger)
