# SPDX-License-Identifier: Apache-2.0
"""Gathered and immediate dispatch, and the pool that shares them."""

import anyio
import pytest

from bcfl.chain.errors import RpcError
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import TEMPORARY, Journal
from bcfl.chain.transactions import Gathered, Immediate, OutcomeStatus, OwnerPool


@pytest.mark.asyncio
async def test_gathered_transactions_wait_and_go_out_by_owner_and_nonce(node, intent, signer):
    gathered, outcomes = Gathered(), []
    async with Journal.open(TEMPORARY, chain_id=31337, genesis_hash="0x00") as journal:
        pool = OwnerPool(
            node=node,
            journal=journal,
            dispatch=gathered,
            fee_policy=FeePolicy(),
            on_outcome=outcomes.append,
        )
        owners = [pool.owner(signer(number), f"agent-{number}") for number in (3, 1, 2)]
        async with anyio.create_task_group() as tasks:
            await tasks.start(pool.run)
            for action in ("b", "a"):
                async with anyio.create_task_group() as agents:
                    for number, owner in reversed(list(zip((3, 1, 2), owners, strict=True))):
                        agents.start_soon(
                            owner.submit,
                            intent(action, agent=f"agent-{number}", data=f"{number}{action}".encode()),
                        )
            assert node.sent == []
            assert (pool.pending, pool.unsent) == (6, 6)
            assert await gathered.release() == 6
            assert (pool.pending, pool.unsent) == (6, 0)
            order = [node.decoded(raw).data for raw in node.sent]
            assert order == [b"3b", b"3a", b"1b", b"1a", b"2b", b"2a"]
            await pool.observe(await node.mine())
            assert (pool.pending, len(outcomes)) == (0, 6)
            tasks.cancel_scope.cancel()


@pytest.mark.asyncio
async def test_a_refusal_at_release_moves_the_later_ones_up(node, running_owner, intent):
    gathered = Gathered()
    async with running_owner(node, dispatch=gathered) as owner:
        for action in ("one", "two", "three"):
            await owner.submit(intent(action))
        node.refusals = [None, RpcError(-32003, "Insufficient funds for gas * price + value")]
        await gathered.release()
        await owner.observe(await node.mine())
        assert node.included() == [b"one", b"three"]
        assert {outcome.key.action: outcome.status for outcome in owner.outcomes} == {
            "one": OutcomeStatus.INCLUDED,
            "two": OutcomeStatus.FAILED,
            "three": OutcomeStatus.INCLUDED,
        }
        await owner.submit(intent("four"))
        await gathered.release()
        assert node.decoded(node.sent[-1]).nonce == 2


@pytest.mark.asyncio
async def test_a_pool_asks_once_a_block_and_tells_each_agent_its_own(node, intent, signer):
    heard = {}
    async with Journal.open(TEMPORARY, chain_id=31337, genesis_hash="0x00") as journal:
        pool = OwnerPool(
            node=node,
            journal=journal,
            dispatch=Immediate(),
            fee_policy=FeePolicy(),
            on_outcome=lambda outcome: pytest.fail(f"{outcome.key} has its own callback"),
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(pool.run)
            async with anyio.create_task_group() as agents:
                for number in range(1, 51):
                    name = f"agent-{number}"
                    heard[name] = []
                    owner = pool.owner(signer(number), name, heard[name].append)
                    agents.start_soon(owner.submit, intent(agent=name, gas=50_000))
            assert node.calls.count("block") == 1  # the base fee
            node.calls.clear()
            await pool.observe(await node.mine())
            assert node.calls.count("receipts") == 1
            assert all(len(outcomes) == 1 for outcomes in heard.values())
            assert pool.pending == 0
            tasks.cancel_scope.cancel()


@pytest.mark.asyncio
async def test_agents_that_share_a_key_share_its_owner(node, signer):
    async with Journal.open(TEMPORARY, chain_id=31337, genesis_hash="0x00") as journal:
        pool = OwnerPool(
            node=node,
            journal=journal,
            dispatch=Immediate(),
            fee_policy=FeePolicy(),
            on_outcome=lambda _: None,
        )
        assert pool.owner(signer(1), "evaluator") is pool.owner(signer(1), "aggregator")
        assert pool.owner(signer(1), "evaluator") is not pool.owner(signer(2), "trainer")


@pytest.mark.asyncio
async def test_a_cancelled_release_loses_nothing(node, running_owner, intent):
    gathered = Gathered()
    async with running_owner(node, dispatch=gathered) as owner:
        for action in ("one", "two"):
            await owner.submit(intent(action))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await gathered.release()
        assert gathered.unsent == 2
        await gathered.release()
        await owner.observe(await node.mine())
        assert node.included() == [b"one", b"two"]


@pytest.mark.asyncio
async def test_what_a_reorganisation_took_off_the_chain_while_nobody_looked_is_sent_again(
    node, intent, signer
):
    async with Journal.open(TEMPORARY, chain_id=31337, genesis_hash="0x00") as journal:

        def pool():
            made = OwnerPool(
                node=node,
                journal=journal,
                dispatch=Immediate(),
                fee_policy=FeePolicy(),
                on_outcome=outcomes.append,
            )
            return made, made.owner(signer(1), "trainer")

        outcomes = []
        first, owner = pool()
        async with anyio.create_task_group() as tasks:
            await tasks.start(first.run)
            for action in ("early", "late"):
                await owner.submit(intent(action, gas=50_000))
                await first.observe(await node.mine())
            tasks.cancel_scope.cancel()
        node.retract(1)
        await node.mine()
        assert node.included() == [b"early"]
        again, owner = pool()
        async with anyio.create_task_group() as tasks:
            await tasks.start(again.run)
            await owner.submit(intent("early", gas=50_000))
            assert again.pending == 1
            await again.observe(await node.mine())
            assert node.included() == [b"early", b"late"]
            assert [outcome.key.action for outcome in outcomes] == ["early", "late", "late"]
            tasks.cancel_scope.cancel()
