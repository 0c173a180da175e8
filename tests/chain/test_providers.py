# SPDX-License-Identifier: Apache-2.0
"""Nodes behind a provider's limits: asked too often, answers that are too long, subscriptions that are missing or fall silent, heads in another order."""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus

import anyio
import pytest

from bcfl.chain.devnet import mine
from bcfl.chain.errors import NodeUnreachable, RpcError, SubscriptionsMissing
from bcfl.chain.node import open_node
from bcfl.chain.reconnecting import ReconnectPolicy

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(120)]

SOON = ReconnectPolicy(first_delay_s=0.05, longest_delay_s=0.2, give_up_after_s=30)


@asynccontextmanager
async def _behind(provider, emitter, at, **options):
    async with open_node(provider.url, **options) as node:
        yield at(node, emitter.sender, emitter.address)


def _later(provider, seconds):
    async def heal():
        await anyio.sleep(seconds)
        provider.heal()

    return heal


@pytest.mark.asyncio
async def test_who_is_asked_too_often_is_asked_again_later_and_less_often(anvil, providers):
    provider = providers(anvil.url)
    async with open_node(provider.url) as node:
        provider.busy = True
        asked = len(provider.asked)
        async with anyio.create_task_group() as group:
            group.start_soon(_later(provider, 2))
            assert await node.block_number() == 0
        assert 2 <= len(provider.asked) - asked <= 8  # in two seconds, or a few more
        provider.busy = True
        async with anyio.create_task_group() as group:
            group.start_soon(_later(provider, 1))
            subscription = await node.transport.subscribe("newHeads")
        await mine(node)
        with anyio.fail_after(10):
            assert (await anext(subscription))["number"] == "0x1"


@pytest.mark.asyncio
async def test_a_provider_that_never_has_time_is_told_in_its_own_words(anvil, providers):
    provider = providers(anvil.url)
    async with open_node(provider.url, call_timeout_s=1) as node:
        provider.busy = True
        with pytest.raises(RpcError, match="Too Many Requests"):
            await node.block_number()
    provider.heal()
    provider.closed = HTTPStatus.TOO_MANY_REQUESTS
    with pytest.raises(NodeUnreachable, match="429"):
        async with open_node(provider.url):
            pass


@pytest.mark.asyncio
async def test_a_storm_of_refusals_outlasts_a_call_and_nothing_is_lost_or_told_twice(
    anvil, emitter, at, providers, ledger, make_pump, running
):
    provider = providers(anvil.url)
    async with _behind(provider, emitter, at, call_timeout_s=0.5) as behind:
        pump = make_pump(behind, reconnect=SOON)
        async with running(pump, ledger):
            await emitter.emit_block(1)
            await pump.settled(await emitter.node.block_number())
            provider.busy = True
            await emitter.emit_block(2, 3)
            await anyio.sleep(2)
            provider.closed = HTTPStatus.TOO_MANY_REQUESTS
            provider.cut()
            await emitter.emit_block(4)
            await anyio.sleep(0.5)
            provider.heal()
            await pump.settled(await emitter.node.block_number())
    assert provider.refusals
    assert ledger.tags == ledger.final_tags == [1, 2, 3, 4]


@pytest.mark.asyncio
async def test_a_past_in_parts_where_ranges_or_answers_are_too_long(
    anvil, emitter, at, providers, make_pump, running
):
    for tag in range(6):
        await emitter.emit_block(tag, count=3)
        await emitter.node.transport.request("anvil_mine", ["0x40"])
    await emitter.node.transport.request("anvil_mine", ["0x300"])
    provider = providers(anvil.url)
    provider.widest = 100
    provider.longest = 3000  # three logs and a few more
    tags = []

    async def sink(delivery):
        tags.extend(event.tag for event in delivery.events)

    async with _behind(provider, emitter, at) as behind:
        pump = make_pump(behind)
        async with running(pump, sink):
            await pump.settled(await emitter.node.block_number())
    assert provider.refusals > 2
    assert tags == sorted(tags)  # each seen and final at once, in order
    assert [tags.count(tag) for tag in range(6)] == [6] * 6


@pytest.mark.asyncio
async def test_subscriptions_that_fall_silent_are_found_out_and_made_anew(
    anvil, emitter, at, providers, ledger, make_pump, running
):
    provider = providers(anvil.url)
    async with _behind(provider, emitter, at) as behind:
        pump = make_pump(behind, head_timeout_s=0.5)
        async with running(pump, ledger):
            await pump.settled(await emitter.node.block_number())
            asked = provider.asked.count("eth_subscribe")
            provider.rings = False
            await emitter.emit_block(1)
            await pump.settled(await emitter.node.block_number())
            while provider.asked.count("eth_subscribe") == asked:
                await anyio.sleep(0.02)
            provider.heal()
            await emitter.emit_block(2)
            await pump.settled(await emitter.node.block_number())
    assert ledger.tags == [1, 2]


@pytest.mark.asyncio
async def test_heads_in_another_order_are_delivered_in_the_chains(
    anvil, emitter, at, providers, ledger, make_pump, running
):
    provider = providers(anvil.url)
    async with _behind(provider, emitter, at) as behind:
        pump = make_pump(behind, head_timeout_s=1)
        async with running(pump, ledger):
            await pump.settled(await emitter.node.block_number())
            provider.shuffles = True
            for tag in range(12):
                await emitter.emit_block(*([tag] if tag % 3 == 0 else []))
            await pump.settled(await emitter.node.block_number())
    assert ledger.tags == [0, 3, 6, 9]
    assert ledger.numbers == sorted(set(ledger.numbers))


@pytest.mark.asyncio
async def test_heads_alone_are_enough_and_without_them_it_is_said(
    anvil, emitter, at, providers, ledger, make_pump, running
):
    provider = providers(anvil.url)
    provider.unknown = frozenset({"logs"})
    async with _behind(provider, emitter, at) as behind:
        pump = make_pump(behind)
        async with running(pump, ledger):
            await pump.settled(await emitter.node.block_number())
            await emitter.emit_block(1)
            await pump.settled(await emitter.node.block_number())
        assert ledger.tags == [1]
        provider.unknown = frozenset({"logs", "newHeads"})
        with pytest.raises(SubscriptionsMissing, match="offers no subscription to new blocks"):
            await make_pump(behind, reconnect=SOON).run(ledger)
