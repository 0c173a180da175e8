# SPDX-License-Identifier: Apache-2.0
"""Transaction owners against a real anvil."""

import contextlib

import anyio
import pytest
from eth_utils.address import to_checksum_address

from bcfl.chain.devnet import Devnet, mine, pending_count, set_balance
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import ActionKey, Journal
from bcfl.chain.keys import derive_key
from bcfl.chain.node import open_node
from bcfl.chain.transactions import Gathered, Immediate, Intent, OutcomeStatus, OwnerPool
from bcfl.contracts.delivery import Batch, Level, Retracted

pytestmark = pytest.mark.anvil

COUNTER = to_checksum_address("0x00000000000000000000000000000000C0DE0001")
COUNT_BY_KEY = "0x5f358054600101905500"  # storage[calldata[0:32]] += 1
REFUSER = to_checksum_address("0x00000000000000000000000000000000C0DE0002")
REFUSE = "0x63deadbeef60e01b5f5260045ffd"  # revert with the selector deadbeef
GWEI = 10**9


def signer(number=1):
    return derive_key((1000 + number).to_bytes(32, "big"))


def intent(number=1, *, action="count", to=COUNTER, gas=None):
    return Intent(
        key=ActionKey(f"agent-{number}", "0xtask", 1, action), to=to, data=number.to_bytes(32, "big"), gas=gas
    )


async def prepare(node, senders=1):
    await node.transport.request("anvil_setCode", [COUNTER, COUNT_BY_KEY])
    await node.transport.request("anvil_setCode", [REFUSER, REFUSE])
    async with anyio.create_task_group() as tasks:
        for number in range(1, senders + 1):
            tasks.start_soon(set_balance, node, signer(number).address, 10**18)


async def count(node, number=1):
    return int(await node.transport.request("eth_getStorageAt", [COUNTER, hex(number), "latest"]), 16)


@contextlib.asynccontextmanager
async def running_pool(node, *, dispatch=None, policy=None):
    """A pool at work; leaves its outcomes in ``pool.outcomes``."""
    outcomes = []
    async with Journal.open(":memory:", chain_id=node.chain_id, genesis_hash=node.genesis_hash) as journal:
        pool = OwnerPool(
            node=node,
            journal=journal,
            dispatch=dispatch or Immediate(),
            fee_policy=policy or FeePolicy(),
            on_outcome=outcomes.append,
        )
        pool.outcomes = outcomes
        pool.journal = journal
        async with anyio.create_task_group() as tasks:
            await tasks.start(pool.run)
            with anyio.fail_after(60):
                yield pool
            tasks.cancel_scope.cancel()


async def mine_and_observe(node, pool):
    batch = Batch(block=await mine(node), level=Level.SEEN, events=())
    await pool.observe(batch)
    return batch.block


@pytest.mark.asyncio
async def test_a_thousand_concurrent_senders_are_all_included_exactly_once(node):
    await prepare(node, senders=1000)
    async with running_pool(node) as pool:
        async with anyio.create_task_group() as agents:
            for number in range(1, 1001):
                agents.start_soon(pool.owner(signer(number), f"agent-{number}").submit, intent(number))
        assert pool.pending == 1000
        while pool.pending:
            await mine_and_observe(node, pool)
        assert len(pool.outcomes) == 1000
        assert {outcome.status for outcome in pool.outcomes} == {OutcomeStatus.INCLUDED}
        assert [number for number in range(1, 1001) if await count(node, number) != 1] == []
        assert await pending_count(node) == 0


@pytest.mark.asyncio
async def test_a_gathered_release_makes_the_order_of_a_block(node):
    await prepare(node, senders=20)
    gathered = Gathered()
    async with running_pool(node, dispatch=gathered) as pool:
        numbers = list(range(20, 0, -1))
        owners = {number: pool.owner(signer(number), f"agent-{number}") for number in numbers}
        for action in ("first", "second"):
            async with anyio.create_task_group() as agents:
                for number in sorted(owners):  # not the order of registration
                    agents.start_soon(owners[number].submit, intent(number, action=action, gas=100_000))
        assert await pending_count(node) == 0
        assert await gathered.release() == 40
        block = await mine_and_observe(node, pool)
        receipts = await node.receipts(block.number)
        senders = [signer(number).address.lower() for number in numbers for _ in range(2)]
        assert [receipt["from"] for receipt in receipts] == senders
        assert pool.pending == 0


@pytest.mark.asyncio
async def test_a_refused_estimate_leaves_no_gap_in_the_nonces(node):
    await prepare(node)
    async with running_pool(node) as pool:
        owner = pool.owner(signer(), "agent-1")
        assert await owner.submit(intent(to=REFUSER, action="refused")) is None
        assert pool.outcomes[0].status is OutcomeStatus.REVERTED
        assert pool.outcomes[0].reason == bytes.fromhex("deadbeef")
        await owner.submit(intent())
        await mine_and_observe(node, pool)
        assert await count(node) == 1
        assert await node.nonce(signer().address, "latest") == 1


@pytest.mark.asyncio
async def test_a_revert_in_a_block_is_reported_with_the_contracts_words(node):
    await prepare(node)
    async with running_pool(node) as pool:
        owner = pool.owner(signer(), "agent-1")
        await owner.submit(intent(to=REFUSER, gas=100_000))
        block = await mine_and_observe(node, pool)
        (outcome,) = pool.outcomes
        assert outcome.status is OutcomeStatus.REVERTED
        assert outcome.reason == bytes.fromhex("deadbeef")
        assert outcome.block == block
        assert 21_000 < outcome.gas_used < 100_000


@pytest.mark.asyncio
async def test_a_dropped_transaction_is_resent(node):
    await prepare(node)
    async with running_pool(node, policy=FeePolicy(patience=2)) as pool:
        transaction_hash = await pool.owner(signer(), "agent-1").submit(intent())
        await node.transport.request("anvil_dropTransaction", [transaction_hash])
        assert await pending_count(node) == 0
        for _ in range(3):
            await mine_and_observe(node, pool)
        assert await count(node) == 1
        assert pool.outcomes[0].transaction == transaction_hash


@pytest.mark.asyncio
async def test_a_sender_without_ether_fails_and_may_try_again(node):
    await prepare(node, senders=0)
    async with running_pool(node) as pool:
        owner = pool.owner(signer(), "agent-1")
        assert await owner.submit(intent(gas=100_000)) is None
        assert pool.outcomes[0].status is OutcomeStatus.FAILED
        await set_balance(node, signer().address, 10**18)
        assert await owner.submit(intent(gas=100_000)) is not None
        await mine_and_observe(node, pool)
        assert await count(node) == 1


@pytest.mark.asyncio
async def test_a_nonce_used_by_another_program_is_reconciled(node):
    await prepare(node)
    async with running_pool(node) as pool:
        owner = pool.owner(signer(), "agent-1")
        await owner.submit(intent(action="before"))
        await mine_and_observe(node, pool)
        raw, _ = signer().sign_transaction(
            {
                "chainId": node.chain_id,
                "nonce": 1,
                "to": signer().address,
                "value": 0,
                "data": b"",
                "gas": 21_000,
                "maxFeePerGas": GWEI,
                "maxPriorityFeePerGas": GWEI,
            }
        )
        await node.send_raw(raw)
        await mine_and_observe(node, pool)
        await owner.submit(intent(action="after"))
        await mine_and_observe(node, pool)
        assert await count(node) == 2
        assert [outcome.status for outcome in pool.outcomes] == [OutcomeStatus.INCLUDED] * 2


@pytest.mark.asyncio
async def test_a_transaction_under_a_risen_base_fee_is_replaced():
    async with Devnet.start(base_fee=GWEI) as devnet, open_node(devnet.url) as node:
        await prepare(node)
        async with running_pool(node, policy=FeePolicy(patience=2)) as pool:
            first = await pool.owner(signer(), "agent-1").submit(intent())
            for _ in range(3):  # an empty block lowers it by an eighth, so it is set for each
                await node.transport.request("anvil_setNextBlockBaseFeePerGas", [hex(50 * GWEI)])
                await mine_and_observe(node, pool)
            (outcome,) = pool.outcomes
            assert outcome.status is OutcomeStatus.INCLUDED
            assert outcome.transaction != first
            assert await count(node) == 1
            assert await node.nonce(signer().address, "latest") == 1


@pytest.mark.asyncio
async def test_a_reorganisation_resends_identical_bytes(node):
    await prepare(node, senders=3)
    async with running_pool(node) as pool:
        await mine_and_observe(node, pool)
        hashes = [
            await pool.owner(signer(number), f"agent-{number}").submit(intent(number)) for number in (1, 2, 3)
        ]
        gone = await mine_and_observe(node, pool)
        later = await mine_and_observe(node, pool)
        assert len(pool.outcomes) == 3
        await node.transport.request("anvil_reorg", [2, []])
        assert await count(node) == 0
        await pool.observe(Retracted((later, gone)))
        assert pool.pending == 3
        for number in (gone.number, later.number):  # the empty blocks that came instead
            new = (await node.block(number)).ref
            assert new.hash not in (gone.hash, later.hash)
            await pool.observe(Batch(block=new, level=Level.SEEN, events=()))
        block = await mine_and_observe(node, pool)
        assert [await count(node, number) for number in (1, 2, 3)] == [1, 1, 1]
        again = pool.outcomes[3:]
        assert sorted(outcome.transaction for outcome in again) == sorted(hashes)
        assert {outcome.block for outcome in again} == {block}


@pytest.mark.asyncio
async def test_a_nonce_lost_in_a_reorganisation_is_filled(node):
    await prepare(node)
    async with running_pool(node, policy=FeePolicy(patience=2)) as pool:
        owner = pool.owner(signer(), "agent-1")
        await mine_and_observe(node, pool)
        await owner.submit(intent(to=REFUSER, gas=100_000))
        gone = await mine_and_observe(node, pool)
        await owner.submit(intent(gas=100_000))  # the same action, tried again
        await node.transport.request("anvil_reorg", [1, []])
        await pool.observe(Retracted((gone,)))
        new = (await node.block(gone.number)).ref
        await pool.observe(Batch(block=new, level=Level.SEEN, events=()))
        assert await node.nonce(signer().address, "latest") == 0
        while pool.pending:
            await mine_and_observe(node, pool)
        assert await count(node) == 1
        assert await node.nonce(signer().address, "latest") == 2


@pytest.mark.asyncio
async def test_the_real_pump_drives_a_pool_through_a_reorganisation(node, emitter, make_pump, running):
    await prepare(node, senders=5)
    async with running_pool(node) as pool, running(make_pump(emitter, confirmations=3), pool.observe):
        for number in range(1, 6):
            await pool.owner(signer(number), f"agent-{number}").submit(intent(number))
        await mine(node)
        while pool.pending:
            await anyio.sleep(0.01)
        await node.transport.request("anvil_reorg", [1, []])
        while not pool.pending:
            await anyio.sleep(0.01)
        while pool.pending:
            await mine(node)
            await anyio.sleep(0.01)
        assert [await count(node, number) for number in range(1, 6)] == [1] * 5
        assert len(pool.outcomes) == 10


@pytest.mark.asyncio
async def test_interval_mining_includes_what_is_submitted_over_time(make_pump, deploy, running):
    async with Devnet.start() as devnet, open_node(devnet.url) as node:
        await prepare(node, senders=30)
        emitter = await deploy(node)
        await node.transport.request("evm_setIntervalMining", [1])
        async with running_pool(node) as pool, running(make_pump(emitter), pool.observe):
            for number in range(1, 31):
                await pool.owner(signer(number), f"agent-{number}").submit(intent(number))
                await anyio.sleep(0.05)
            while pool.pending:
                await anyio.sleep(0.05)
            assert [await count(node, number) for number in range(1, 31)] == [1] * 30
