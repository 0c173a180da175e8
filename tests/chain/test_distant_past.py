# SPDX-License-Identifier: Apache-2.0
"""What an agent reads that was away for long: all events in their order, by ranges, and few calls where nothing happens."""

from __future__ import annotations

import time
from functools import partial

import anyio
import pytest

from bcfl.chain.distant import DistantBlocks
from bcfl.chain.errors import BlockUnavailable, ConnectionLost, ReorganisationTooDeep, RpcError
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.contracts.delivery import Batch, Level, Retracted

pytestmark = pytest.mark.anvil


@pytest.fixture(autouse=True)
def near(monkeypatch):
    """A past that is distant after some hundred blocks, since anvil takes milliseconds to make one."""
    monkeypatch.setattr("bcfl.chain.pump._FAR", 50)


@pytest.fixture
def make_pump(make_pump):
    return partial(make_pump, window=32)


async def _pass(emitter, blocks):
    await emitter.node.transport.request("anvil_mine", [hex(blocks), "0x1"])


@pytest.fixture
def calls(emitter, monkeypatch):
    """The names of the calls that the node was asked, from here on."""
    made = []
    request = emitter.node.transport.request

    async def counted(method, params=()):
        made.append(method)
        return await request(method, params)

    monkeypatch.setattr(emitter.node.transport, "request", counted)
    return made


class Told:
    """A sink that keeps what says something."""

    def __init__(self):
        self.batches = []
        self.retracted = []
        self.newest = None

    async def __call__(self, delivery):
        if isinstance(delivery, Retracted):
            self.retracted.append(delivery)
            return
        if delivery.level is Level.SEEN:
            assert self.newest is None or delivery.block.number > self.newest
            self.newest = delivery.block.number
        if delivery.events:
            self.batches.append(delivery)

    def tags(self, level):
        return [event.tag for batch in self.batches if batch.level is level for event in batch.events]


async def _sparse(emitter, tags, apart):
    for tag in tags:
        newest = await emitter.emit_block(tag)
        await _pass(emitter, apart)
    return newest


@pytest.mark.asyncio
@pytest.mark.parametrize("confirmations", [0, 12, 70])
async def test_a_distant_past_is_told_in_order_with_few_calls(
    emitter, calls, make_pump, running, confirmations
):
    await _sparse(emitter, range(20), 20)
    told, pump = Told(), make_pump(emitter, confirmations=confirmations)
    async with running(pump, told):
        calls.clear()
        await pump.settled(await emitter.node.block_number())
        await anyio.sleep(0.05)
        spent = len(calls)
        await emitter.emit_block(20)
        await pump.settled(await emitter.node.block_number())
        assert told.tags(Level.SEEN) == list(range(21))
        final = 21 - -(-confirmations // 21)
        assert told.tags(Level.FINAL) == list(range(final))
    assert spent < 150  # of 420 blocks
    assert not told.retracted


@pytest.mark.asyncio
async def test_what_is_before_the_first_block_that_is_wanted_is_never_told(emitter, make_pump, running):
    await _sparse(emitter, range(4), 30)
    told, pump = Told(), make_pump(emitter, start=await emitter.node.block_number() + 60)
    async with running(pump, told):
        await pump.settled(await emitter.node.block_number())
        await _sparse(emitter, range(4, 8), 40)
        await pump.settled(await emitter.node.block_number())
    assert told.tags(Level.SEEN) == [6, 7]


@pytest.mark.asyncio
async def test_it_goes_on_where_it_was_after_a_long_pause(emitter, make_pump, running):
    first, second = Told(), Told()
    await _sparse(emitter, range(3), 10)
    pump = make_pump(emitter, confirmations=5)
    async with running(pump, first):
        await pump.settled(await emitter.node.block_number())
    await _sparse(emitter, range(3, 8), 40)
    pump = make_pump(emitter, confirmations=5, start=pump.cursor, recent=pump.recent)
    async with running(pump, second):
        await pump.settled(await emitter.node.block_number())
    assert first.tags(Level.SEEN) + second.tags(Level.SEEN) == list(range(8))
    assert second.tags(Level.FINAL) == list(range(3, 8))


@pytest.mark.asyncio
async def test_what_was_seen_before_the_pause_and_is_no_more_is_taken_back(emitter, make_pump, running):
    first, second = Told(), Told()
    await emitter.emit_block(0)
    snapshot = await emitter.node.transport.request("evm_snapshot")
    await emitter.emit_block(1)
    pump = make_pump(emitter, confirmations=5)
    async with running(pump, first):
        await pump.settled(await emitter.node.block_number())
    await emitter.node.transport.request("evm_revert", [snapshot])
    await _sparse(emitter, [2, 3], 90)
    pump = make_pump(emitter, confirmations=5, start=pump.cursor, recent=pump.recent)
    async with running(pump, second):
        await pump.settled(await emitter.node.block_number())
    assert [len(retracted.blocks) for retracted in second.retracted] == [1]
    assert second.tags(Level.SEEN) == [2, 3]


@pytest.mark.asyncio
async def test_a_node_that_gives_short_ranges_is_asked_for_short_ones(
    emitter, monkeypatch, make_pump, running
):
    await _sparse(emitter, range(10), 30)
    asked, between = [], emitter.node.logs_between

    async def short(first, last, addresses):
        asked.append(last - first + 1)
        if last - first >= 20:
            raise RpcError(-32005, "query exceeds max block range 20", None, method="eth_getLogs")
        return await between(first, last, addresses)

    monkeypatch.setattr(emitter.node, "logs_between", short)
    told, pump = Told(), make_pump(emitter)
    async with running(pump, told):
        await pump.settled(await emitter.node.block_number())
    assert told.tags(Level.SEEN) == told.tags(Level.FINAL) == list(range(10))
    assert max(asked) > 20 >= min(asked)


@pytest.mark.asyncio
async def test_an_answer_that_is_too_long_for_the_socket_is_asked_for_in_parts(
    emitter, monkeypatch, make_pump, running
):
    await _sparse(emitter, range(6), 30)
    broken, between = [], emitter.node.logs_between

    async def breaking(first, last, addresses):
        if last - first >= 40:
            broken.append(last - first + 1)
            raise ConnectionLost("The message was too big.")
        return await between(first, last, addresses)

    monkeypatch.setattr(emitter.node, "logs_between", breaking)
    told = Told()
    pump = make_pump(emitter, reconnect=ReconnectPolicy(first_delay_s=0.01, give_up_after_s=20))
    async with running(pump, told):
        await pump.settled(await emitter.node.block_number())
    assert broken
    assert told.tags(Level.SEEN) == list(range(6))  # and nothing twice


@pytest.mark.asyncio
async def test_a_node_that_refuses_every_range_is_named(emitter, monkeypatch, make_pump):
    await _pass(emitter, 200)
    monkeypatch.setattr("bcfl.chain.pump._UNAVAILABLE_LONGEST_DELAY_S", 0.001)
    monkeypatch.setattr("bcfl.chain.distant._REFUSED_PAUSE_S", 0.001)

    async def never(_first, _last, _addresses):
        raise RpcError(-32601, "the method eth_getLogs does not exist", None, method="eth_getLogs")

    monkeypatch.setattr(emitter.node, "logs_between", never)
    with pytest.raises(BlockUnavailable, match="does not give them") as raised:
        await make_pump(emitter).run(Told())
    assert "eth_getLogs" in str(raised.value.__cause__)


@pytest.mark.asyncio
async def test_logs_of_a_block_that_the_node_does_not_have_are_not_believed(emitter, decoder):
    newest = await emitter.emit_block(1)
    await emitter.emit_block(2)
    distant = DistantBlocks(node=emitter.node, decoder=decoder)
    whole = await distant.read(0, newest.number + 1, [emitter.address])
    assert whole is not None
    assert [batch.events[0].tag for batch in whole[1]] == [1, 2]
    logs = await emitter.node.logs_between(0, newest.number, [emitter.address])
    await emitter.node.transport.request("anvil_rollback", [2])
    await _pass(emitter, 3)

    async def stale(_first, _last, _addresses):
        return logs

    emitter.node.logs_between = stale
    assert await distant.read(0, newest.number, [emitter.address]) is None


@pytest.mark.asyncio
async def test_a_late_address_is_followed_up_from_a_distant_block(deploy, emitter, calls, make_pump, running):
    other = await deploy(emitter.node)
    for tag in range(5):
        await emitter.emit(tag)
        await other.emit_block(100 + tag)
        await _pass(emitter, 40)
    told, pump = [], make_pump(emitter)

    async def sink(delivery):
        if isinstance(delivery, Batch) and delivery.level is Level.SEEN:
            told.extend(event.tag for event in delivery.events)

    async with running(pump, sink):
        await pump.settled(await emitter.node.block_number())
        calls.clear()
        pump.watch(other.address, from_block=0)
        await pump.settled(await emitter.node.block_number())
        assert len(calls) < 80  # of 205 blocks
        await other.emit_block(200)
        await pump.settled(await emitter.node.block_number())
    assert told == [*range(5), *range(100, 105), 200]


@pytest.mark.asyncio
async def test_an_address_that_a_distant_event_names_is_read_from_there_on(
    deploy, emitter, make_pump, running
):
    other = await deploy(emitter.node)
    for tag in range(6):
        await emitter.emit(tag)
        await other.emit_block(100 + tag)
        await _pass(emitter, 40)
    told, pump = [], make_pump(emitter)

    async def sink(delivery):
        if isinstance(delivery, Batch) and delivery.level is Level.SEEN:
            told.extend(event.tag for event in delivery.events)
            if any(event.tag == 2 for event in delivery.events):
                pump.watch(other.address, from_block=delivery.block.number)

    async with running(pump, sink):
        await pump.settled(await emitter.node.block_number())
    assert told == [0, 1, 2, 102, 103, 3, 104, 4, 105, 5] or sorted(told) == [
        0,
        1,
        2,
        3,
        4,
        5,
        102,
        103,
        104,
        105,
    ]
    assert [tag for tag in told if tag >= 100] == [102, 103, 104, 105]


@pytest.mark.asyncio
async def test_blocks_that_say_nothing_to_us_cost_no_call(emitter, calls, make_pump, running):
    told, pump = Told(), make_pump(emitter, confirmations=2)
    async with running(pump, told):
        await emitter.emit_block(1)
        await pump.settled(await emitter.node.block_number())
        await anyio.sleep(0.1)
        calls.clear()
        for _ in range(50):
            await _pass(emitter, 1)
            await anyio.sleep(0.005)
        await pump.reached(52)
        assert [name for name in calls if name != "anvil_mine"] == []
        await emitter.emit_block(2)
        await pump.reached(53)
    assert told.tags(Level.SEEN) == [1, 2]
    assert told.tags(Level.FINAL) == [1]


@pytest.mark.asyncio
async def test_a_head_that_rings_alone_is_not_taken_for_an_empty_block(emitter, make_pump, running):
    """Where its logs ring later, or not at all, the bloom filter of the head says that there are some."""
    told, pump = Told(), make_pump(emitter)
    async with running(pump, told):
        await pump.settled(await emitter.node.block_number())
        await anyio.sleep(0.05)
        await pump._doorbell.logs.aclose()
        await anyio.sleep(0.05)
        await emitter.emit_block(1)
        await pump.reached(await emitter.node.block_number())
    assert told.tags(Level.SEEN) == [1]


@pytest.mark.asyncio
async def test_a_chain_that_makes_no_blocks_is_asked_seldom(emitter, calls, make_pump, running):
    pump = make_pump(emitter, head_timeout_s=0.1)
    async with running(pump, Told()):
        await pump.settled(await emitter.node.block_number())
        await anyio.sleep(0.05)
        calls.clear()
        await anyio.sleep(1.5)
        assert len(calls) == 1


@pytest.mark.asyncio
async def test_a_reorganisation_below_the_distant_past_is_named(emitter, make_pump):
    await emitter.emit_block(0)
    snapshot = await emitter.node.transport.request("evm_snapshot")
    await _pass(emitter, 200)
    pump, told = make_pump(emitter), Told()

    async def reorganise():
        await pump.settled(await emitter.node.block_number())
        await emitter.node.transport.request("evm_revert", [snapshot])
        await emitter.emit_block(
            9
        )  # empty blocks alone may come out as the very same, and then nothing was reorganised
        await _pass(emitter, 250)

    async with anyio.create_task_group() as group:
        group.start_soon(reorganise)
        with pytest.raises(ReorganisationTooDeep):
            await pump.run(told)


@pytest.mark.asyncio
async def test_catching_up_is_much_faster_by_ranges(emitter, make_pump, running, monkeypatch):
    await _sparse(emitter, range(10), 100)

    async def seconds():
        pump = make_pump(emitter)
        begin = time.perf_counter()
        async with running(pump, Told()):
            await pump.settled(await emitter.node.block_number())
            return time.perf_counter() - begin

    by_range = await seconds()
    monkeypatch.setattr("bcfl.chain.pump._FAR", 10**9)
    assert by_range < 0.6 * await seconds()


@pytest.mark.asyncio
@pytest.mark.parametrize("apart", [40, 0], ids=["distant", "near"])
async def test_an_address_may_be_given_up_while_it_is_followed_up(deploy, emitter, make_pump, running, apart):
    first, second = await deploy(emitter.node), await deploy(emitter.node)
    for tag in range(4):
        await first.emit(100 + tag)
        await second.emit_block(200 + tag)
        if apart:
            await _pass(emitter, apart)
    told, pump = [], make_pump(emitter)

    async def sink(delivery):
        if isinstance(delivery, Batch) and delivery.level is Level.SEEN:
            told.extend(event.tag for event in delivery.events)
            if any(event.tag == 101 for event in delivery.events):
                pump.unwatch(first.address)

    async with running(pump, sink):
        await pump.settled(await emitter.node.block_number())
        pump.watch(first.address, from_block=0)
        pump.watch(second.address, from_block=0)
        await pump.settled(await emitter.node.block_number())
        assert told == [100, 101, 200, 201, 202, 203]
        await first.emit(150)
        await second.emit_block(250)
        await pump.settled(await emitter.node.block_number())
    assert told == [100, 101, 200, 201, 202, 203, 250]
