# SPDX-License-Identifier: Apache-2.0
"""The block pump on a real anvil: whole blocks, in order, once, whatever the subscriptions say."""

from __future__ import annotations

import time

import anyio
import pytest

from bcfl.chain.devnet import Devnet, mine
from bcfl.chain.errors import BlockUnavailable, ChainIdentityChanged, ConnectionLost, PumpNotStarted, RpcError
from bcfl.chain.node import open_node
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.contracts.delivery import Batch, Level

pytestmark = pytest.mark.anvil

PATIENT = ReconnectPolicy(first_delay_s=0.02, longest_delay_s=0.1, give_up_after_s=20)


@pytest.mark.asyncio
async def test_history_then_live_in_one_order(emitter, ledger, make_pump, running):
    for tag in (1, 2, 3):
        await emitter.emit_block(tag)
    pump = make_pump(emitter)
    with pytest.raises(PumpNotStarted):
        _ = pump.cursor
    async with running(pump, ledger):
        await pump.reached(4)
        for tag in (4, 5):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
        assert pump.cursor == newest
    assert ledger.numbers == list(range(7))
    assert ledger.tags == [1, 2, 3, 4, 5]
    assert (pump.delivered, pump.retracted, pump.unfinal) == (7, 0, 0)


@pytest.mark.asyncio
async def test_a_batch_holds_the_whole_block_by_log_index(emitter, ledger, make_pump, running):
    pump = make_pump(emitter)
    async with running(pump, ledger):
        for round_ in range(10):
            newest = await emitter.emit_block(10 * round_, 10 * round_ + 1, 10 * round_ + 2, count=3)
        await pump.reached(newest.number)
    full = [batch for batch in ledger.blocks if batch.events]
    assert [len(batch.events) for batch in full] == [9] * 10
    for batch in full:
        assert [event.origin.log_index for event in batch.events] == list(range(9))
        assert {event.origin.block for event in batch.events} == {batch.block}
        assert {event.origin.address for event in batch.events} == {emitter.address}


@pytest.mark.asyncio
async def test_starts_after_a_block_and_at_a_number(emitter, new_ledger, make_pump, running):
    refs = [await emitter.emit_block(tag) for tag in range(5)]
    after, at, ahead = new_ledger(), new_ledger(), new_ledger()
    pump_after = make_pump(emitter, start=refs[1])
    pump_at = make_pump(emitter, start=refs[1].number)
    pump_ahead = make_pump(emitter, start=refs[-1].number + 3)
    async with running(pump_after, after), running(pump_at, at), running(pump_ahead, ahead):
        for tag in range(5, 9):
            newest = await emitter.emit_block(tag)
        for pump in (pump_after, pump_at, pump_ahead):
            await pump.reached(newest.number)
    assert after.tags == [2, 3, 4, 5, 6, 7, 8]
    assert at.tags == [1, 2, 3, 4, 5, 6, 7, 8]
    assert ahead.tags == [7, 8]


@pytest.mark.asyncio
async def test_final_follows_seen_at_the_depth_of_the_confirmations(emitter, ledger, make_pump, running):
    pump = make_pump(emitter, confirmations=2)
    async with running(pump, ledger):
        for tag in range(5):
            newest = await emitter.emit_block(tag)
            await pump.reached(newest.number)
        assert pump.unfinal == 2
    assert ledger.tags == [0, 1, 2, 3, 4]
    assert ledger.final_tags == [0, 1, 2]
    order = [(d.block.number, d.level) for d in ledger.deliveries if isinstance(d, Batch)]
    assert order.index((2, Level.FINAL)) == order.index((4, Level.SEEN)) + 1


@pytest.mark.asyncio
async def test_blocks_that_were_not_final_before_a_pause_become_final_after_it(
    emitter, new_ledger, make_pump, running
):
    first, second = new_ledger(), new_ledger()
    pump = make_pump(emitter, confirmations=2)
    async with running(pump, first):
        for tag in range(4):
            newest = await emitter.emit_block(tag)
        await pump.reached(newest.number)
    assert first.final_tags == [0, 1]
    pump = make_pump(emitter, confirmations=2, start=pump.cursor)
    async with running(pump, second):
        newest = await emitter.emit_block(4)
        await pump.reached(newest.number)
        newest = await emitter.emit_block(5)
        await pump.reached(newest.number)
    assert second.tags == [4, 5]
    assert second.final_tags == [2, 3]


@pytest.mark.asyncio
async def test_a_duplicate_head_changes_nothing(emitter, ledger, make_pump, running):
    pump = make_pump(emitter)
    async with running(pump, ledger):
        newest = await emitter.emit_block(1)
        await pump.reached(newest.number)
        head = await emitter.node.transport.request("eth_getBlockByNumber", ["latest", False])
        for _ in range(5):
            pump._doorbell.heads.push(head)
            await anyio.sleep(0.01)
        newest = await emitter.emit_block(2)
        await pump.reached(newest.number)
    assert ledger.tags == [1, 2]


@pytest.mark.asyncio
async def test_a_gap_in_the_heads_is_filled(emitter, ledger, make_pump, running):
    pump = make_pump(emitter)
    async with running(pump, ledger):
        await pump.reached(1)
        await pump._doorbell.heads.aclose()
        await pump._doorbell.logs.aclose()
        await anyio.sleep(0.05)
        for tag in range(40):
            newest = await emitter.emit_block(tag)
        assert pump.cursor.number < newest.number  # it heard nothing
        pump._doorbell.ring()
        await pump.reached(newest.number)
    assert ledger.tags == list(range(40))


@pytest.mark.asyncio
async def test_dead_subscriptions_are_noticed_and_renewed(emitter, ledger, make_pump, running):
    pump = make_pump(emitter, head_timeout_s=0.3)
    async with running(pump, ledger):
        await pump.reached(1)
        await pump._doorbell.heads.aclose()
        await pump._doorbell.logs.aclose()
        newest = await emitter.emit_block(1)
        await pump.reached(newest.number)  # by the watchdog
        pump._head_timeout_s = 60.0
        await anyio.sleep(0.5)
        newest = await emitter.emit_block(2)
        with anyio.fail_after(5):
            await pump.reached(newest.number)  # by the new subscriptions
    assert ledger.tags == [1, 2]


@pytest.mark.asyncio
async def test_head_before_logs_a_logs_call_refused_at_first_is_repeated(
    emitter, ledger, make_pump, running, monkeypatch
):
    real, refusals = emitter.node.logs, []

    async def logs(block_hash, addresses):
        if len(refusals) < 3:
            refusals.append(block_hash)
            raise RpcError(-32000, "unknown block")
        return await real(block_hash, addresses)

    monkeypatch.setattr(emitter.node, "logs", logs)
    pump = make_pump(emitter)
    async with running(pump, ledger):
        newest = await emitter.emit_block(1, 2)
        await pump.reached(newest.number)
    assert len(refusals) == 3
    assert ledger.tags == [1, 2]


@pytest.mark.asyncio
async def test_a_block_that_never_comes_is_a_named_error(emitter, ledger, make_pump, monkeypatch):
    async def logs(block_hash, addresses):
        raise RpcError(-32000, "unknown block")

    monkeypatch.setattr(emitter.node, "logs", logs)
    monkeypatch.setattr("bcfl.chain.pump._UNAVAILABLE_ATTEMPTS", 3)
    await emitter.emit_block(1)
    with pytest.raises(BlockUnavailable) as caught:
        await make_pump(emitter).run(ledger)
    assert isinstance(caught.value.__cause__, RpcError)


@pytest.mark.asyncio
async def test_logs_are_not_asked_for_where_the_bloom_says_no(
    emitter, ledger, make_pump, running, monkeypatch
):
    real, asked = emitter.node.logs, []

    async def logs(block_hash, addresses):
        asked.extend(addresses)
        return await real(block_hash, addresses)

    monkeypatch.setattr(emitter.node, "logs", logs)
    for _ in range(20):
        await mine(emitter.node)
    newest = await emitter.emit_block(1)
    pump = make_pump(emitter)
    async with running(pump, ledger):
        await pump.reached(newest.number)
    assert asked == [emitter.address]
    assert ledger.tags == [1]


@pytest.mark.asyncio
async def test_a_slow_consumer_loses_nothing_and_holds_up_no_call(emitter, ledger, make_pump, running):
    async def slow(delivery):
        await anyio.sleep(0.005)
        await ledger(delivery)

    pump = make_pump(emitter)
    async with running(pump, slow):
        slowest = 0.0
        for tag in range(150):
            start = time.monotonic()
            newest = await emitter.emit_block(tag)
            slowest = max(slowest, time.monotonic() - start)
        await pump.reached(newest.number)
    assert slowest < 1.0
    assert ledger.tags == list(range(150))


@pytest.mark.asyncio
async def test_a_block_of_ten_thousand_logs(emitter, ledger, make_pump, running):
    pump = make_pump(emitter)
    async with running(pump, ledger):
        newest = await emitter.emit_block(1, 2, 3, 4, count=2_500)
        start = time.monotonic()
        await pump.reached(newest.number)
        elapsed = time.monotonic() - start
    events = ledger.blocks[-1].events
    assert [(event.tag, event.index) for event in events] == [
        (t, i) for t in (1, 2, 3, 4) for i in range(2_500)
    ]
    assert elapsed < 10.0


@pytest.mark.asyncio
async def test_the_seam_between_history_and_live_in_a_loop(emitter, new_ledger, make_pump, running):
    tags = 0
    for _ in range(15):
        ledger, pump = new_ledger(), make_pump(emitter)
        async with running(pump, ledger):
            for _ in range(5):  # while the pump reads history
                newest = await emitter.emit_block(tags, tags + 1)
                tags += 2
            await pump.reached(newest.number)
        assert ledger.tags == list(range(tags))


@pytest.mark.asyncio
async def test_an_address_added_while_a_block_is_handled_misses_nothing(
    node, deploy, new_ledger, make_pump, running
):
    first, second = await deploy(node), await deploy(node)
    deliveries = []

    async def sink(delivery):
        deliveries.append(delivery)
        if isinstance(delivery, Batch) and any(getattr(event, "tag", None) == 7 for event in delivery.events):
            pump.watch(second.address, from_block=delivery.block.number)

    # the new contract emits in the same block, and in the next, which is read already when the first is handled
    await first.emit(7)
    await second.emit(70)
    created = await mine(node)
    await second.emit_block(71)
    pump = make_pump(first, confirmations=1)
    async with running(pump, sink):
        await pump.reached(created.number + 1)
        newest = await second.emit_block(72)
        await pump.reached(newest.number)
        newest = await mine(node)
        await pump.reached(newest.number)
    numbers = [d.block.number for d in deliveries if d.level is Level.SEEN]
    place = numbers.index(created.number)
    # the late batches follow at once, before the next block, although that had been read already
    assert numbers[place : place + 3] == [created.number, created.number, created.number + 1]
    seen = [e.tag for d in deliveries if d.level is Level.SEEN for e in d.events]
    final = [e.tag for d in deliveries if d.level is Level.FINAL for e in d.events]
    assert seen == [7, 70, 71, 72]
    assert final == [7, 70, 71, 72]


@pytest.mark.asyncio
async def test_an_address_added_later_is_followed_up_from_its_block_on(node, deploy, make_pump, running):
    first, second = await deploy(node), await deploy(node)
    for tag in range(3):
        await first.emit(tag)
        await second.emit_block(100 + tag)
    deliveries = []

    async def sink(delivery):
        deliveries.append(delivery)

    newest = await mine(node)
    pump = make_pump(first)
    async with running(pump, sink):
        await pump.reached(newest.number)
        pump.watch(second.address, from_block=newest.number - 2)
        pump.watch(second.address, from_block=0)  # watched already: nothing more
        await second.emit_block(103)
        await pump.reached(newest.number + 1)
    for level in Level:
        told = [e.tag for d in deliveries if d.level is level for e in d.events]
        assert told == [0, 1, 2, 101, 102, 103]


@pytest.mark.asyncio
async def test_a_killed_node_is_a_named_error_within_five_seconds(anvil, emitter, ledger, make_pump):
    pump = make_pump(emitter)
    caught = []

    async def run():
        try:
            await pump.run(ledger)
        except ConnectionLost as lost:
            caught.append(lost)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await pump.reached(1)
        with anyio.fail_after(5):
            anvil._process.kill()
            with pytest.raises(ConnectionLost):
                await pump.reached(99)
    assert anvil.url in str(caught[0])


@pytest.mark.asyncio
async def test_gives_up_when_the_node_does_not_come_back(anvil, emitter, ledger, make_pump):
    pump = make_pump(emitter, reconnect=ReconnectPolicy(first_delay_s=0.05, give_up_after_s=0.3))
    await anvil.stop()
    with anyio.fail_after(5), pytest.raises(ConnectionLost, match="did not come back"):
        await pump.run(ledger)


@pytest.mark.asyncio
@pytest.mark.parametrize("inside_a_burst", [False, True], ids=["between blocks", "inside a burst"])
async def test_a_node_restarted_from_its_state(tmp_path, deploy, ledger, make_pump, running, inside_a_burst):
    state = tmp_path / "state.json"

    async def slow(delivery):
        await anyio.sleep(0.005 if inside_a_burst else 0)
        await ledger(delivery)

    async with Devnet.start(state=state) as devnet, open_node(devnet.url) as node:
        emitter = await deploy(node)
        pump = make_pump(emitter, reconnect=PATIENT)
        async with running(pump, slow):
            for tag in range(30):
                newest = await emitter.emit_block(tag)
            if not inside_a_burst:
                await pump.reached(newest.number)
            await devnet.stop()
            assert (pump.cursor.number < newest.number) == inside_a_burst
            async with Devnet.start(state=state, port=devnet.port):
                with anyio.fail_after(20):
                    while node.transport.lost is not None:
                        await anyio.sleep(0.02)
                for tag in range(30, 60):
                    newest = await emitter.emit_block(tag)
                await pump.reached(newest.number)
    assert ledger.tags == list(range(60))
    assert ledger.final_tags == list(range(60))


@pytest.mark.asyncio
async def test_a_fresh_chain_on_the_same_port_is_refused(tmp_path, deploy, ledger, make_pump):
    async with Devnet.start(timestamp=1_700_000_000) as devnet, open_node(devnet.url) as node:
        emitter = await deploy(node)
        pump = make_pump(emitter, reconnect=PATIENT)
        await devnet.stop()
        async with Devnet.start(timestamp=1_800_000_000, port=devnet.port):
            with pytest.raises(ChainIdentityChanged, match="genesis"):
                await pump.run(ledger)
