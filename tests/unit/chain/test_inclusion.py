# SPDX-License-Identifier: Apache-2.0
"""What blocks, reorganisations and restarts do to transactions under way."""

import pytest

from bcfl.chain.errors import ConnectionLost, RpcError
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import Journal, OutboxStatus
from bcfl.chain.keys import decode_transaction
from bcfl.chain.transactions import OutcomeStatus
from bcfl.contracts.delivery import Retracted

GWEI = 10**9


@pytest.mark.asyncio
async def test_a_sent_transaction_overtaken_by_a_foreign_one_is_signed_again(
    node, running_owner, intent, signer
):
    async with running_owner(node, policy=FeePolicy(patience=1)) as owner:
        first = await owner.submit(intent())
        foreign, _ = signer().sign_transaction(
            {**decode_transaction(node.sent[0]), "data": b"foreign", "maxFeePerGas": 100 * GWEI}
        )
        await node.send_raw(foreign)
        for _ in range(4):
            await owner.observe(await node.mine())
        assert node.included() == [b"foreign", b"commit"]
        overtaken, outcome = owner.outcomes
        assert overtaken.status is OutcomeStatus.OVERTAKEN  # its owner hears that somebody else signs
        assert outcome.status is OutcomeStatus.INCLUDED
        assert outcome.transaction != first


@pytest.mark.asyncio
async def test_an_overtaken_transaction_whose_effect_is_there_already_is_not_sent_again(
    node, running_owner, intent, signer
):
    async with running_owner(node, policy=FeePolicy(patience=1)) as owner:
        await owner.submit(intent())
        foreign, _ = signer().sign_transaction(
            {**decode_transaction(node.sent[0]), "data": b"foreign", "maxFeePerGas": 100 * GWEI}
        )
        await node.send_raw(foreign)
        node.refuses_estimates = RpcError(3, "execution reverted", "0x01")  # "already committed"
        for _ in range(4):
            await owner.observe(await node.mine())
        assert node.included() == [b"foreign"]
        assert [(outcome.status, outcome.reason) for outcome in owner.outcomes[1:]] == [
            (OutcomeStatus.REVERTED, b"\x01")
        ]
        assert owner.pending == 0


@pytest.mark.asyncio
async def test_a_lost_connection_while_sending_leaves_the_transaction_to_be_resent(
    node, running_owner, intent
):
    node.refusals = [ConnectionLost()]
    async with running_owner(node, policy=FeePolicy(patience=2)) as owner:
        await owner.submit(intent())
        assert owner.pending == 1
        for _ in range(3):
            await owner.observe(await node.mine())
        assert len(set(node.sent)) == 1
        assert len(node.sent) == 2
        assert [outcome.status for outcome in owner.outcomes] == [OutcomeStatus.INCLUDED]


@pytest.mark.asyncio
async def test_a_transaction_that_the_node_forgot_is_resent_byte_for_byte(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(patience=3)) as owner:
        await owner.submit(intent())
        node.pool.clear()
        await owner.observe(await node.mine())
        await owner.observe(await node.mine())
        assert len(node.sent) == 1  # patience
        await owner.observe(await node.mine())
        await owner.observe(await node.mine())
        assert len(node.sent) == 2
        assert len(set(node.sent)) == 1
        assert node.included() == [b"commit"]
        assert len(owner.outcomes) == 1


@pytest.mark.asyncio
async def test_a_priced_out_transaction_is_replaced_and_either_hash_counts(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(patience=2)) as owner:
        first = await owner.submit(intent())
        node.base_fee = 20 * GWEI
        for _ in range(3):
            await owner.observe(await node.mine())
        (outcome,) = owner.outcomes
        assert outcome.transaction != first
        entry = await owner.journal.transaction(intent().key)
        assert entry.replaced == (first,)
        assert entry.nonce == 0
        assert node.included() == [b"commit"]


@pytest.mark.asyncio
async def test_a_replaced_transaction_that_is_mined_after_all_is_the_one_effect(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(patience=1)) as owner:
        first = await owner.submit(intent())
        node.base_fee = 20 * GWEI
        await owner.observe(await node.mine())
        assert len(node.sent) == 2
        node.base_fee = GWEI
        node.pool[owner.address, 0] = node.decoded(node.sent[0])
        await owner.observe(await node.mine())
        assert owner.outcomes[0].transaction == first
        assert owner.pending == 0
        assert node.included() == [b"commit"]


@pytest.mark.asyncio
async def test_a_reorganisation_resends_identical_bytes_and_reports_the_new_block(
    node, running_owner, intent
):
    async with running_owner(node) as owner:
        await owner.submit(intent("one"))
        await owner.submit(intent("two"))
        await owner.observe(await node.mine())
        original = list(node.sent)
        await owner.observe(node.retract(1))
        assert owner.pending == 2
        assert node.sent == original * 2
        batch = await node.mine()
        await owner.observe(batch)
        assert node.included() == [b"one", b"two"]
        assert [outcome.block for outcome in owner.outcomes[2:]] == [batch.block] * 2
        assert owner.pending == 0


@pytest.mark.asyncio
async def test_a_revert_in_a_block_is_reported_with_its_reason_and_may_be_tried_again(
    node, running_owner, intent
):
    async with running_owner(node) as owner:
        await owner.submit(intent(data=b"revert", gas=90_000))
        node.refuses_estimates = RpcError(3, "execution reverted", "0xc0ffee")
        await owner.observe(await node.mine())
        (outcome,) = owner.outcomes
        assert (outcome.status, outcome.reason) == (OutcomeStatus.REVERTED, bytes.fromhex("c0ffee"))
        assert outcome.block is not None
        assert await owner.submit(intent(data=b"better", gas=90_000)) is not None
        assert node.decoded(node.sent[-1]).nonce == 1


@pytest.mark.asyncio
async def test_a_restart_resends_what_is_not_on_chain_and_nothing_else(node, running_owner, intent):
    async with Journal.open(":memory:", chain_id=31337, genesis_hash="0x00") as journal:
        async with running_owner(node, journal=journal) as owner:
            await owner.submit(intent("mined"))
            await node.mine()  # nobody observed it: the process died
            await owner.submit(intent("lost"))
        original = list(node.sent)
        node.pool.clear()
        async with running_owner(node, journal=journal) as owner:
            assert node.sent == [*original, original[1]]
            assert owner.pending == 2
            await owner.submit(intent("mined"))  # the agent decides the same again
            await owner.submit(intent("next"))
            await owner.observe(await node.mine())
            assert node.included() == [b"mined", b"lost", b"next"]
            assert {outcome.key.action for outcome in owner.outcomes} == {"mined", "lost", "next"}
            assert {outcome.status for outcome in owner.outcomes} == {OutcomeStatus.INCLUDED}
            assert len(node.sent) == 4


@pytest.mark.asyncio
async def test_a_block_without_own_transactions_costs_no_call(node, running_owner):
    async with running_owner(node) as owner:
        batch = await node.mine()
        node.calls.clear()
        await owner.observe(batch)
        assert node.calls == []


@pytest.mark.asyncio
async def test_receipts_of_another_block_with_the_number_are_not_believed(node, running_owner, intent):
    async with running_owner(node) as owner:
        await owner.submit(intent())
        stale = await node.mine(only=())  # an empty block ...
        node.retract(1)
        fresh = await node.mine()  # ... replaced by one that has the transaction, before the pump noticed
        await owner.observe(stale)
        assert owner.outcomes == []
        await owner.observe(Retracted((stale.block,)))
        await owner.observe(fresh)
        assert owner.outcomes[0].block == fresh.block


@pytest.mark.asyncio
async def test_inclusion_seen_before_the_nodes_answer_is_not_undone_by_it(node, running_owner, intent):
    real_send = node.send_raw
    async with running_owner(node) as owner:

        async def send_and_be_observed(raw):
            await real_send(raw)
            await owner.observe(await node.mine())

        node.send_raw = send_and_be_observed
        await owner.submit(intent())
        assert (await owner.journal.transaction(intent().key)).status is OutboxStatus.INCLUDED
        assert len(owner.outcomes) == 1
        assert owner.pending == 0


@pytest.mark.asyncio
async def test_a_block_that_the_pump_has_not_delivered_is_left_to_the_pump(node, running_owner, intent):
    async with Journal.open(":memory:", chain_id=31337, genesis_hash="0x00") as journal:
        async with running_owner(node, journal=journal) as owner:
            await owner.submit(intent())
        empty, mined = await node.mine(only=()), await node.mine()
        async with running_owner(node, journal=journal) as owner:
            await owner.observe(empty)  # the pump catches up block by block
            assert owner.outcomes == []
            await owner.observe(mined)
            assert owner.outcomes[0].block == mined.block
            assert len(node.sent) == 1


@pytest.mark.asyncio
async def test_an_inclusion_that_the_pump_delivered_before_the_restart_is_found_by_hash(
    node, running_owner, intent
):
    async with Journal.open(":memory:", chain_id=31337, genesis_hash="0x00") as journal:
        async with running_owner(node, journal=journal) as owner:
            await owner.submit(intent())
        mined = await node.mine()  # delivered, and the process died before it was recorded
        async with running_owner(node, journal=journal) as owner:
            await owner.observe(await node.mine())
            assert owner.outcomes[0].block == mined.block
            assert node.included() == [b"commit"]


@pytest.mark.asyncio
async def test_after_a_restart_nonces_go_on_behind_what_the_journal_has_open(node, running_owner, intent):
    async with Journal.open(":memory:", chain_id=31337, genesis_hash="0x00") as journal:
        async with running_owner(node, journal=journal) as owner:
            await owner.submit(intent("one"))
        node.pool.clear()
        node.refusals = [ConnectionLost()]
        async with running_owner(node, journal=journal, policy=FeePolicy(patience=1)) as owner:
            await owner.submit(intent("two"))
            assert node.decoded(node.sent[-1]).nonce == 1
            for _ in range(2):
                await owner.observe(await node.mine())
            assert sorted(node.included()) == [b"one", b"two"]


@pytest.mark.asyncio
async def test_receipts_that_could_not_be_had_are_made_up_for_by_hash(node, running_owner, intent):
    real_receipts = node.receipts

    async def unavailable(_number):
        raise ConnectionLost

    async with running_owner(node, policy=FeePolicy(patience=2)) as owner:
        await owner.submit(intent())
        node.receipts = unavailable
        mined = await node.mine()
        await owner.observe(mined)
        await owner.observe(await node.mine())  # due now, but the node still cannot answer
        assert owner.outcomes == []
        node.receipts = real_receipts
        await owner.observe(await node.mine())
        assert owner.outcomes[0].block == mined.block
        assert node.included() == [b"commit"]


async def _with_a_nonce_lost(node, owner, intent):
    """A call reverts with nonce 0, is tried again with nonce 1, and nonce 0 leaves the chain and the pool."""
    await owner.submit(intent(data=b"revert", gas=90_000))
    node.refuses_estimates = RpcError(3, "execution reverted", "0xc0ffee")
    await owner.observe(await node.mine())
    node.refuses_estimates = None
    await owner.submit(intent(data=b"better", gas=90_000))
    await owner.submit(intent("next", gas=90_000))
    await owner.observe(node.retract(1))
    node.pool.pop((owner.address, 0), None)
    assert await node.nonce(owner.address, "latest") == 0
    assert owner.pending == 2


@pytest.mark.asyncio
async def test_a_nonce_whose_action_was_tried_again_is_filled_when_its_block_leaves(
    node, running_owner, intent
):
    async with running_owner(node, policy=FeePolicy(patience=2)) as owner:
        await _with_a_nonce_lost(node, owner, intent)
        offers = list(node.sent)
        for _ in range(6):
            await owner.observe(await node.mine())
        assert node.included() == [b"", b"better", b"next"]
        assert owner.pending == 0
        assert [(outcome.key.action, outcome.status) for outcome in owner.outcomes[1:]] == [
            ("commit", OutcomeStatus.INCLUDED),
            ("next", OutcomeStatus.INCLUDED),
        ]
        assert len(set(node.sent) - set(offers)) == 1  # the filler; no offer was raised meanwhile


@pytest.mark.asyncio
async def test_a_gap_is_filled_at_the_second_look_since_a_reorganisation_looks_like_one(
    node, running_owner, intent
):
    async with running_owner(node, policy=FeePolicy(patience=3)) as owner:
        await _with_a_nonce_lost(node, owner, intent)
        before = len(node.sent)
        for _ in range(4):
            await owner.observe(await node.mine())
        assert len(node.sent) == before
        for _ in range(4):
            await owner.observe(await node.mine())
        assert node.included() == [b"", b"better", b"next"]


@pytest.mark.asyncio
async def test_a_filler_that_leaves_the_chain_is_sent_again(node, running_owner, intent):
    async with Journal.open(":memory:", chain_id=31337, genesis_hash="0x00") as journal:
        async with running_owner(node, journal=journal, policy=FeePolicy(patience=1)) as owner:
            await _with_a_nonce_lost(node, owner, intent)
            while owner.pending:
                await owner.observe(await node.mine())
        async with running_owner(node, journal=journal, policy=FeePolicy(patience=1)) as owner:
            await owner.observe(node.retract(1))
            assert node.included() == []
            while owner.pending:
                await owner.observe(await node.mine())
            assert node.included() == [b"", b"better", b"next"]


@pytest.mark.asyncio
async def test_a_nonce_that_another_program_has_in_the_pool_is_not_filled(
    node, running_owner, intent, signer
):
    async with running_owner(node, policy=FeePolicy(patience=1)) as owner:
        await _with_a_nonce_lost(node, owner, intent)
        foreign, _ = signer().sign_transaction({**decode_transaction(node.sent[0]), "data": b"foreign"})
        await node.send_raw(foreign)
        for _ in range(
            40
        ):  # long enough for an offer to be raised, if waiting behind another were being passed over
            await owner.observe(await node.mine(only=()))
        assert [node.decoded(raw).data for raw in dict.fromkeys(node.sent)] == [
            b"revert",
            b"better",
            b"next",
            b"foreign",
        ]
        await owner.observe(await node.mine())
        assert node.included() == [b"foreign", b"better", b"next"]


@pytest.mark.asyncio
async def test_a_filler_whose_nonce_was_taken_after_all_is_dropped(node, running_owner, intent, signer):
    async with running_owner(node, policy=FeePolicy(patience=1)) as owner:
        await _with_a_nonce_lost(node, owner, intent)
        while b"" not in {node.decoded(raw).data for raw in node.sent}:
            await owner.observe(await node.mine(only=()))
        node.pool[owner.address, 0] = node.decoded(node.sent[0])  # the superseded bytes, from another pool
        for _ in range(5):
            await owner.observe(await node.mine())
        assert node.included() == [b"revert", b"better", b"next"]
        assert owner.pending == 0
