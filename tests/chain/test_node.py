# SPDX-License-Identifier: Apache-2.0
"""The node's face on a real anvil, and on geth where there is one."""

from __future__ import annotations

import time

import anyio
import pytest

from bcfl.chain.bloom import may_contain
from bcfl.chain.devnet import Devnet, mine, set_balance
from bcfl.chain.errors import (
    BlockUnavailable,
    ChainIdentityChanged,
    ConnectionLost,
    NodeUnreachable,
    RpcError,
    WebSocketRequired,
)
from bcfl.chain.node import Node, open_node
from bcfl.chain.raw import checksummed
from bcfl.contracts.ids import Address

pytestmark = pytest.mark.anvil

NOBODY = Address("0x000000000000000000000000000000000000dEaD")


@pytest.mark.asyncio
async def test_identity_and_capabilities_are_probed(anvil, node):
    assert node.chain_id == 31337
    assert node.genesis_hash == (await node.block(0)).ref.hash
    assert node.capabilities.drivable
    assert node.capabilities.manages_accounts
    assert node.capabilities.base_fee == 0
    assert node.url == anvil.url


@pytest.mark.asyncio
async def test_probing_changes_nothing(node):
    assert await node.block_number() == 0


@pytest.mark.asyncio
async def test_blocks_by_number_hash_and_tag(emitter):
    node = emitter.node
    mined = await emitter.emit_block(1)
    by_number, by_hash, latest = (
        await node.block(mined.number),
        await node.block(mined.hash),
        await node.block("latest"),
    )
    assert by_number == by_hash == latest
    assert latest.ref == mined
    assert len(latest.logs_bloom) == 256
    assert len(latest.transactions) == 1
    assert latest.base_fee == 0
    assert 0 < latest.gas_used < latest.gas_limit == 1_000_000_000


@pytest.mark.asyncio
@pytest.mark.parametrize("which", [99, "0x" + "11" * 32])
async def test_a_block_that_is_not_there(node, which):
    assert await node.find_block(which) is None
    with pytest.raises(BlockUnavailable, match=str(which)):
        await node.block(which)


@pytest.mark.asyncio
async def test_logs_of_a_block(emitter):
    node = emitter.node
    mined = await emitter.emit_block(5, 6, count=2)
    logs = await node.logs(mined.hash, [emitter.address])
    assert [int.from_bytes(log.topics[0], "big") for log in logs] == [5, 5, 6, 6]
    assert [int.from_bytes(log.data, "big") for log in logs] == [0, 1, 0, 1]
    assert [log.log_index for log in logs] == [0, 1, 2, 3]
    assert {log.address for log in logs} == {emitter.address}
    assert {log.block_hash for log in logs} == {mined.hash}
    assert await node.logs(mined.hash, [NOBODY]) == []
    assert await node.logs(mined.hash, []) == []
    with pytest.raises(RpcError, match="unknown block"):
        await node.logs("0x" + "11" * 32, [emitter.address])


@pytest.mark.asyncio
async def test_the_bloom_filter_knows_who_emitted(emitter):
    full = await emitter.node.block((await emitter.emit_block(1)).hash)
    empty = await emitter.node.block((await mine(emitter.node)).hash)
    assert may_contain(full.logs_bloom, emitter.address)
    assert not may_contain(empty.logs_bloom, emitter.address)
    assert not may_contain(full.logs_bloom, NOBODY)


@pytest.mark.asyncio
async def test_accounts_and_code(emitter):
    node = emitter.node
    await set_balance(node, NOBODY, 123)
    assert await node.balance(NOBODY) == 123
    assert await node.code(NOBODY) == b""
    assert (await node.code(emitter.address)).endswith(bytes.fromhex("5b00"))
    assert await node.nonce(emitter.sender) == 1
    await emitter.emit(1)
    assert await node.nonce(emitter.sender) == 1
    assert await node.nonce(emitter.sender, "pending") == 2
    assert emitter.sender in await node.accounts()
    assert checksummed(emitter.sender.lower()) == emitter.sender


@pytest.mark.asyncio
async def test_receipts_transactions_and_estimates(emitter):
    node = emitter.node
    mined = await emitter.emit_block(1, 2)
    receipts = await node.receipts(mined.number)
    hashes = (await node.block(mined.number)).transactions
    assert tuple(receipt["transactionHash"] for receipt in receipts) == hashes
    assert (await node.transaction(hashes[0]))["blockHash"] == mined.hash
    assert (await node.transaction_receipt(hashes[0]))["status"] == "0x1"
    assert await node.transaction("0x" + "11" * 32) is None
    assert await node.transaction_receipt("0x" + "11" * 32) is None
    with pytest.raises(BlockUnavailable):
        await node.receipts(99)
    arguments = {"from": emitter.sender, "to": emitter.address, "value": 0}
    one = await node.estimate_gas({**arguments, "data": (1).to_bytes(32, "big")})
    ten = await node.estimate_gas({**arguments, "data": (10).to_bytes(32, "big")})
    assert 21_000 < one < ten
    assert await node.call(emitter.address, (1).to_bytes(32, "big")) == b""
    fees = await node.fee_data()
    assert fees.base_fee == 0
    assert fees.gas_price == await node.gas_price()


@pytest.mark.asyncio
async def test_a_raw_transaction_is_taken(node):
    from eth_account import Account

    account = Account.create()
    await set_balance(node, Address(account.address), 10**18)
    signed = account.sign_transaction(
        {"to": NOBODY, "value": 5, "gas": 21_000, "gasPrice": 0, "nonce": 0, "chainId": 31337}
    )
    sent = await node.send_raw(bytes(signed.raw_transaction))
    await mine(node)
    assert (await node.transaction_receipt(sent))["status"] == "0x1"
    assert await node.balance(NOBODY) == 5


@pytest.mark.asyncio
async def test_reconnects_in_place(node):
    old = node.transport
    await node.reconnect()
    assert node.transport is not old
    assert old.lost is not None
    assert await node.block_number() == 0
    assert await node.web3.eth.chain_id == 31337
    with pytest.raises(ConnectionLost):
        await old.request("eth_chainId")


@pytest.mark.asyncio
async def test_reconnecting_to_nobody_and_to_another_chain():
    async with Devnet.start(timestamp=1_700_000_000) as devnet, open_node(devnet.url) as node:
        await devnet.stop()
        with pytest.raises(NodeUnreachable):
            await node.reconnect()
        async with Devnet.start(timestamp=1_700_000_001, port=devnet.port):
            with pytest.raises(ChainIdentityChanged, match="genesis"):
                await node.reconnect()


@pytest.mark.asyncio
async def test_an_http_url_is_refused_before_anything_is_sent():
    with pytest.raises(WebSocketRequired):
        async with open_node("http://127.0.0.1:8545"):
            pass


@pytest.mark.asyncio
async def test_parsing_ten_thousand_logs_takes_no_second(emitter):
    mined = await emitter.emit_block(1, count=10_000)
    start = time.monotonic()
    assert len(await emitter.node.logs(mined.hash, [emitter.address])) == 10_000
    assert time.monotonic() - start < 3


@pytest.mark.asyncio
@pytest.mark.geth
async def test_geth_is_another_kind_of_node(daemons, tmp_path):
    async with daemons.running_geth(tmp_path, period=1) as url, open_node(url) as node:
        assert not node.capabilities.drivable
        assert node.capabilities.manages_accounts
        assert node.capabilities.base_fee
        with anyio.fail_after(20):
            while await node.block_number() < 2:
                await anyio.sleep(0.2)
        newest = await node.block("latest")
        assert (await node.block(newest.ref.parent_hash)).ref.number == newest.ref.number - 1
        assert await node.receipts(newest.ref.number) == []
        assert (await node.fee_data()).base_fee
        with pytest.raises(RpcError, match="unknown block"):
            await node.logs("0x" + "11" * 32, [NOBODY])


class _Indexing:
    """A transport whose node has no index of transactions for a while."""

    def __init__(self, refusals: int, message: str) -> None:
        self.left, self.message = refusals, message

    async def request(self, method: str, params: object = ()) -> object:
        if self.left:
            self.left -= 1
            raise RpcError(-32000, self.message)
        return {"method": method, "params": params}


@pytest.mark.asyncio
async def test_an_index_that_is_not_there_yet_is_asked_again(monkeypatch):
    monkeypatch.setattr("bcfl.chain.node._INDEXING_PAUSE_S", 0.001)
    message = "transaction indexing is in progress"
    transport = _Indexing(3, message)
    monkeypatch.setattr("bcfl.chain.node.AsyncWeb3", lambda _: None)
    node = Node(url="ws://127.0.0.1:1", transport=transport, call_timeout_s=1)
    assert (await node.transaction_receipt("0x1"))["method"] == "eth_getTransactionReceipt"
    assert (await node.transaction("0x1"))["method"] == "eth_getTransactionByHash"
    transport.left = 10**6
    monkeypatch.setattr("bcfl.chain.node._INDEXING_S", 0.01)
    with pytest.raises(RpcError, match=message):
        await node.transaction_receipt("0x1")
    other = Node(url="ws://127.0.0.1:1", transport=_Indexing(1, "no such method"), call_timeout_s=1)
    with pytest.raises(RpcError, match="no such method"):
        await other.transaction_receipt("0x1")
