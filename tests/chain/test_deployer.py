# SPDX-License-Identifier: Apache-2.0
"""Ether for agents from an account that the node manages."""

import pytest

from bcfl.chain import deployer
from bcfl.chain.deployer import fund, opened_setup
from bcfl.chain.errors import NoEmptyBlocks
from bcfl.chain.keys import derive_key
from bcfl.chain.node import open_node
from bcfl.errors import ChainError

ACCOUNTS = [derive_key(bytes([place]) * 32).address for place in range(1, 101)]


@pytest.mark.geth
@pytest.mark.asyncio
async def test_a_hundred_transfers_in_a_row_from_a_managed_account(daemons, tmp_path):
    async with (
        daemons.running_geth(tmp_path, period=1) as url,
        open_node(url) as node,
        opened_setup(node, driven=False, confirmations=0) as setup,
    ):
        await fund(setup, ACCOUNTS, wei=10**15, funder=None)
        assert [await node.balance(account) for account in ACCOUNTS] == [10**15] * len(ACCOUNTS)


@pytest.mark.asyncio
async def test_nonces_are_counted_here_since_a_node_may_count_a_transaction_later(node, monkeypatch):
    """geth answers before its pool has counted: asked again at once, it gives the same nonce twice."""
    asked = []
    request = node.transport.request

    async def slow_to_count(method, params=()):
        if method == "eth_sendTransaction":
            fields = {"nonce": "0x0", **params[0]}
            if fields["nonce"] in asked:
                raise ChainError("replacement transaction underpriced")
            asked.append(fields["nonce"])
            params = [fields]
        return await request(method, params)

    monkeypatch.setattr(node.transport, "request", slow_to_count)
    async with opened_setup(node, driven=True, confirmations=0) as setup:
        await fund(setup, ACCOUNTS[:5], wei=7, funder=None)
    assert [await node.balance(account) for account in ACCOUNTS[:5]] == [7] * 5


@pytest.mark.asyncio
async def test_confirmations_where_blocks_come_for_transactions_alone_are_refused_in_a_sentence(
    node, monkeypatch
):
    monkeypatch.setattr(deployer, "_LONGEST_BLOCK_S", 0.2)
    async with opened_setup(node, driven=False, confirmations=2) as setup:
        with pytest.raises(
            NoEmptyBlocks, match=r"has made no block for 0\.2 s.*chain\.confirmations: 2; set it to 0"
        ):
            await fund(setup, ACCOUNTS[:1], wei=7, funder=None)
