# SPDX-License-Identifier: Apache-2.0
"""The transport on a real anvil, and on servers that misbehave."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager

import anyio
import pytest
import websockets
from web3 import AsyncWeb3
from web3.exceptions import ContractLogicError

from bcfl.chain.devnet import mine
from bcfl.chain.errors import CallTimeout, ConnectionLost, NodeUnreachable, RpcError, WebSocketRequired
from bcfl.chain.transport import connect

pytestmark = pytest.mark.anvil

# revert(0x00, 4) with 0xdeadbeef there
REVERTER = "0x63deadbeef60e01b60005260046000fd"


@asynccontextmanager
async def serving(answer):
    """A WebSocket server on loopback; ``answer(request)`` gives what to send back, or None."""

    async def handle(socket):
        async for message in socket:
            for part in answer(json.loads(message)):
                await socket.send(part if isinstance(part, str) else json.dumps(part))

    async with websockets.serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.asyncio
async def test_a_thousand_concurrent_calls_on_one_socket(anvil):
    async with connect(anvil.url) as transport:
        answers = {}

        async def ask(number):
            address = f"0x{number + 1:040x}"
            await transport.request("anvil_setBalance", [address, hex(number * 7)])
            answers[number] = int(await transport.request("eth_getBalance", [address, "latest"]), 16)

        start = time.monotonic()
        async with anyio.create_task_group() as group:
            for number in range(1000):
                group.start_soon(ask, number)
        assert time.monotonic() - start < 20
        assert answers == {number: number * 7 for number in range(1000)}
        assert transport.pending_calls == 0


@pytest.mark.asyncio
async def test_waiting_for_an_answer_costs_no_cpu(anvil):
    async with serving(lambda request: []) as url, connect(url, call_timeout_s=0.5) as transport:
        before = time.process_time()
        with pytest.raises(CallTimeout, match=r"eth_chainId within 0\.5 s"):
            await transport.request("eth_chainId")
        assert time.process_time() - before < 0.2
        assert transport.pending_calls == 0


@pytest.mark.asyncio
async def test_cancelled_calls_leave_nothing_behind(anvil):
    async with serving(lambda request: []) as url, connect(url) as transport:
        for _ in range(600):
            with anyio.move_on_after(0):
                await transport.request("eth_chainId")
        async with anyio.create_task_group() as group:
            for _ in range(600):
                group.start_soon(transport.request, "eth_chainId")
            await anyio.sleep(0.05)
            assert transport.pending_calls == 600
            group.cancel_scope.cancel()
        assert transport.pending_calls == 0
        assert transport.lost is None


@pytest.mark.asyncio
async def test_an_error_keeps_its_code_words_and_data(anvil):
    async with connect(anvil.url) as transport:
        with pytest.raises(RpcError) as caught:
            await transport.request("eth_call", [{"data": REVERTER}, "latest"])
        assert caught.value.code == 3
        assert "revert" in caught.value.message
        assert caught.value.data == "0xdeadbeef"
        assert "eth_call" in str(caught.value)


@pytest.mark.asyncio
async def test_web3_works_on_it(anvil):
    async with connect(anvil.url) as transport:
        web3 = AsyncWeb3(transport)
        assert await web3.eth.chain_id == 31337
        account = (await web3.eth.accounts)[0]
        assert await web3.eth.get_balance(account) == 10_000 * 10**18
        with pytest.raises(ContractLogicError):
            await web3.eth.call({"data": REVERTER})
        block = await web3.eth.get_block("latest")
        assert block["number"] == 0


@pytest.mark.asyncio
async def test_subscription_delivers_and_ends_when_closed(anvil, node):
    async with connect(anvil.url) as transport:
        heads = await transport.subscribe("newHeads")
        mined = await mine(node)
        assert (await anext(heads))["hash"] == mined.hash
        await heads.aclose()
        await mine(node)
        with pytest.raises(StopAsyncIteration):
            await anext(heads)


@pytest.mark.asyncio
async def test_a_subscriber_that_does_not_read_holds_up_no_call(anvil, emitter):
    async with connect(anvil.url) as transport:
        rings = []
        logs = await transport.subscribe(
            "logs", {"address": emitter.address}, on_ring=lambda: rings.append(None)
        )
        await emitter.emit_block(1, count=2_000)
        with anyio.fail_after(10):
            while logs.coalesced < 1_900:
                assert int(await transport.request("eth_chainId"), 16) == 31337
        assert len(rings) >= 1_900
        assert int((await anext(logs))["logIndex"], 16) >= 1_900  # the newest are kept


@pytest.mark.asyncio
async def test_an_answer_of_many_megabytes_passes(anvil, emitter):
    async with connect(anvil.url) as transport:
        block = await emitter.emit_block(1, count=10_000)
        logs = await transport.request("eth_getLogs", [{"blockHash": block.hash}])
        assert len(logs) == 10_000


@pytest.mark.asyncio
async def test_loss_of_the_socket_ends_every_call_and_subscription(anvil):
    outcomes = []

    async def expect_lost(function, *arguments):
        try:
            await function(*arguments)
        except ConnectionLost as lost:
            outcomes.append(str(lost))

    silent = {"eth_subscribe": "0x1"}

    def answer(request):
        result = silent.get(request["method"])
        return [] if result is None else [{"jsonrpc": "2.0", "id": request["id"], "result": result}]

    async with serving(answer) as url, connect(url) as transport:
        heads = await transport.subscribe("newHeads")
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(expect_lost, transport.request, "eth_chainId")
                group.start_soon(expect_lost, anext, heads)
                await anyio.sleep(0.05)
                await transport.aclose()
        await expect_lost(transport.request, "eth_chainId")
    assert len(outcomes) == 12
    assert all(url in outcome for outcome in outcomes)


@pytest.mark.asyncio
async def test_a_killed_node_ends_calls_within_five_seconds(anvil):
    async with connect(anvil.url) as transport:
        heads = await transport.subscribe("newHeads")
        anvil._process.kill()
        with anyio.fail_after(5):
            with pytest.raises(ConnectionLost):
                await anext(heads)
            with pytest.raises(ConnectionLost):
                await transport.request("eth_chainId")


@pytest.mark.asyncio
@pytest.mark.parametrize("nonsense", ["not json", "[1, 2]", '"text"', "null"])
async def test_nonsense_from_the_node_is_a_lost_connection(nonsense):
    async with serving(lambda request: [nonsense]) as url, connect(url) as transport:
        with anyio.fail_after(5), pytest.raises(ConnectionLost, match="not JSON-RPC"):
            await transport.request("eth_chainId")


@pytest.mark.asyncio
async def test_answers_to_nobody_are_ignored():
    def answer(request):
        yield {"jsonrpc": "2.0", "id": 12_345, "result": "0x0"}
        yield {
            "jsonrpc": "2.0",
            "method": "eth_subscription",
            "params": {"subscription": "0x9", "result": {}},
        }
        yield {"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}

    async with serving(answer) as url, connect(url) as transport:
        assert await transport.request("eth_chainId") == "0x1"


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["http://127.0.0.1:8545", "https://node.example", "127.0.0.1:8545", ""])
async def test_a_url_of_another_scheme_is_refused_in_words(url):
    with pytest.raises(WebSocketRequired, match="ws://"):
        async with connect(url):
            pass


@pytest.mark.asyncio
async def test_nobody_there_is_named():
    with pytest.raises(NodeUnreachable, match=r"^No node answers at ws://127\.0\.0\.1:1 "):
        async with connect("ws://127.0.0.1:1"):
            pass


@pytest.mark.asyncio
async def test_a_provider_is_given_the_headers_that_it_asks_for():
    seen = []

    def guard(_socket, request):
        seen.append(request.headers.get("Authorization"))

    async def handle(socket):
        async for message in socket:
            await socket.send(
                json.dumps({"jsonrpc": "2.0", "id": json.loads(message)["id"], "result": "0x1"})
            )

    async with websockets.serve(handle, "127.0.0.1", 0, process_request=guard) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with connect(url, headers={"Authorization": "Bearer t"}) as transport:
            assert await transport.request("eth_chainId") == "0x1"
        async with connect(url) as transport:
            assert await transport.request("eth_chainId") == "0x1"
    assert seen == ["Bearer t", None]
