# SPDX-License-Identifier: Apache-2.0
"""Transaction owners against a real geth: real fees, and a pool stricter than anvil's."""

import anyio
import pytest

from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import ActionKey, Journal
from bcfl.chain.keys import decode_transaction, derive_key
from bcfl.chain.node import open_node
from bcfl.chain.transactions import Immediate, Intent, OutcomeStatus, OwnerPool
from bcfl.contracts.delivery import Batch, Level

pytestmark = pytest.mark.geth

SIGNER = derive_key(b"\x21" * 32)


def intent(action):
    return Intent(key=ActionKey("agent", "0xtask", 1, action), to=SIGNER.address, data=b"", gas=30_000)


async def observe_until_quiet(node, pool, seen):
    while pool.pending:
        head = await node.block_number()
        while seen < head:
            seen += 1
            await pool.observe(Batch(block=(await node.block(seen)).ref, level=Level.SEEN, events=()))
        await anyio.sleep(0.1)


@pytest.mark.asyncio
async def test_transactions_are_included_and_a_replacement_is_high_enough(daemons, tmp_path):
    outcomes = []
    async with (
        daemons.running_geth(tmp_path, period=2) as url,
        open_node(url) as node,
        Journal.open(":memory:", chain_id=node.chain_id, genesis_hash=node.genesis_hash) as journal,
    ):
        await node.transport.request(
            "eth_sendTransaction",
            [{"from": (await node.accounts())[0], "to": SIGNER.address, "value": hex(10**18)}],
        )
        with anyio.fail_after(20):
            while not await node.balance(SIGNER.address):
                await anyio.sleep(0.1)
        start = funded = await node.block_number()
        with anyio.fail_after(20):  # right after a block there is the longest time before the next
            while start == funded:
                await anyio.sleep(0.02)
                start = await node.block_number()
        pool = OwnerPool(
            node=node,
            journal=journal,
            dispatch=Immediate(),
            fee_policy=FeePolicy(),
            on_outcome=outcomes.append,
        )
        owner = pool.owner(SIGNER, "agent")
        async with anyio.create_task_group() as tasks:
            await tasks.start(pool.run)
            first = [await owner.submit(intent(action)) for action in ("a", "b", "c")]
            opened = owner.under_way()[-1]
            low = opened.fees

            async def replace():
                assert await owner._raise_offer(opened)
                await owner._hand_over(opened)

            await owner._queue.perform(replace)
            # Had geth found it too low, a higher one would have followed and more would be replaced.
            assert opened.entry.replaced == (first[-1],)
            known = await node.transaction(opened.entry.hash)
            assert known is not None
            assert int(known["maxFeePerGas"], 16) == decode_transaction(opened.entry.raw)["maxFeePerGas"]
            assert int(known["maxFeePerGas"], 16) * 8 >= low.max_fee * 9
            with anyio.fail_after(30):
                await observe_until_quiet(node, pool, start)
            tasks.cancel_scope.cancel()
        assert [outcome.status for outcome in outcomes] == [OutcomeStatus.INCLUDED] * 3
        assert {outcome.transaction for outcome in outcomes} == {*first[:2], opened.entry.hash}
        assert await node.nonce(SIGNER.address, "latest") == 3
