# SPDX-License-Identifier: Apache-2.0
"""What an owner does with an intent until the node has it."""

import itertools

import anyio
import pytest

from bcfl.chain.errors import ConnectionLost, JournalUnwritable, OwnerStopped, RpcError
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import OutboxStatus
from bcfl.chain.keys import decode_transaction
from bcfl.chain.transaction_owner import MOST_GAS
from bcfl.chain.transactions import Intent, OutcomeStatus

TARGET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
GWEI = 10**9


@pytest.mark.asyncio
async def test_an_intent_is_sent_included_and_reported(node, running_owner, intent):
    async with running_owner(node) as owner:
        transaction_hash = await owner.submit(intent())
        assert owner.pending == 1
        assert (await owner.journal.transaction(intent().key)).status is OutboxStatus.SENT
        batch = await node.mine()
        await owner.observe(batch)
        (outcome,) = owner.outcomes
        assert outcome.status is OutcomeStatus.INCLUDED
        assert outcome.transaction == transaction_hash
        assert outcome.block == batch.block
        assert outcome.gas_used == 21_000
        assert owner.pending == 0
        entry = await owner.journal.transaction(intent().key)
        assert (entry.status, entry.block) == (OutboxStatus.INCLUDED, (1, batch.block.hash))


@pytest.mark.asyncio
async def test_two_submissions_of_one_key_are_one_transaction(node, running_owner, intent):
    async with running_owner(node) as owner:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(owner.submit, intent())
            tasks.start_soon(owner.submit, intent())
        await owner.observe(await node.mine())
        again = await owner.submit(intent())
        assert len(node.sent) == 1
        assert again == owner.outcomes[0].transaction
        assert len(owner.outcomes) == 1


@pytest.mark.asyncio
async def test_a_failed_estimate_uses_no_nonce_and_tells_the_contracts_words(node, running_owner, intent):
    async with running_owner(node) as owner:
        node.refuses_estimates = RpcError(3, "execution reverted", "0xdeadbeef")
        assert await owner.submit(intent("refused")) is None
        node.refuses_estimates = None
        await owner.submit(intent("accepted"))
        assert [node.decoded(raw).nonce for raw in node.sent] == [0]
        (outcome,) = owner.outcomes
        assert (outcome.status, outcome.reason) == (OutcomeStatus.REVERTED, bytes.fromhex("deadbeef"))
        assert outcome.transaction is None
        await owner.submit(intent("refused"))  # it may be tried again
        assert [node.decoded(raw).nonce for raw in node.sent] == [0, 1]


@pytest.mark.asyncio
async def test_given_gas_spares_the_estimate_and_an_estimate_gets_a_margin(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(gas_margin_percent=20)) as owner:
        await owner.submit(intent("known", gas=77_000))
        assert "estimate" not in node.calls
        await owner.submit(intent("unknown"))
        assert [decode_transaction(raw)["gas"] for raw in node.sent] == [77_000, 60_000]


@pytest.mark.asyncio
async def test_spare_gas_is_added_as_far_as_a_transaction_may_have_it(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(gas_margin_percent=20)) as owner:
        await owner.submit(intent("last of many", spare_gas=1_000_000))
        await owner.submit(intent("last of too many", spare_gas=100_000_000))
        assert [decode_transaction(raw)["gas"] for raw in node.sent] == [1_060_000, MOST_GAS]


@pytest.mark.asyncio
async def test_already_known_is_success(node, running_owner, intent):
    node.refusals = [RpcError(-32000, "already known")]
    async with running_owner(node) as owner:
        assert await owner.submit(intent()) is not None
        assert (await owner.journal.transaction(intent().key)).status is OutboxStatus.SENT
        assert owner.outcomes == []


@pytest.mark.asyncio
async def test_a_nonce_too_low_because_the_answer_was_lost_is_reconciled_by_hash(node, running_owner, intent):
    real_send = node.send_raw

    async def send_mine_and_forget(raw):
        await real_send(raw)
        node.send_raw = real_send
        node.batch = await node.mine()
        raise RpcError(-32003, "nonce too low")

    node.send_raw = send_mine_and_forget
    async with running_owner(node) as owner:
        await owner.submit(intent())
        assert len(node.sent) == 1
        await owner.observe(node.batch)
        assert [outcome.status for outcome in owner.outcomes] == [OutcomeStatus.INCLUDED]
        assert node.included() == [b"commit"]


@pytest.mark.asyncio
async def test_a_nonce_taken_before_the_first_send_is_replaced_by_the_next(
    node, running_owner, intent, signer
):
    async with running_owner(node) as owner:
        await owner.submit(intent("first"))
        await owner.observe(await node.mine())
        # Another program with the same key takes nonce 1.
        foreign, _ = signer().sign_transaction(
            {**decode_transaction(node.sent[0]), "nonce": 1, "data": b"foreign"}
        )
        await node.send_raw(foreign)
        await owner.observe(await node.mine())
        await owner.submit(intent("second"))
        await owner.observe(await node.mine())
        assert node.included() == [b"first", b"foreign", b"second"]
        assert [outcome.status for outcome in owner.outcomes] == [OutcomeStatus.INCLUDED] * 2


@pytest.mark.asyncio
async def test_underpriced_bumps_both_fields_with_the_same_nonce(node, running_owner, intent):
    node.refusals = [RpcError(-32000, "transaction underpriced")] * 2
    async with running_owner(node) as owner:
        await owner.submit(intent())
        offers = [decode_transaction(raw) for raw in node.sent]
        assert [offer["nonce"] for offer in offers] == [0, 0, 0]
        for low, high in itertools.pairwise(offers):
            for field in ("maxFeePerGas", "maxPriorityFeePerGas"):
                assert high[field] * 8 >= low[field] * 9
        await owner.observe(await node.mine())
        assert [outcome.status for outcome in owner.outcomes] == [OutcomeStatus.INCLUDED]


@pytest.mark.asyncio
async def test_a_refused_transaction_gives_its_nonce_back(node, running_owner, intent):
    node.refusals = [RpcError(-32003, "Insufficient funds for gas * price + value")]
    async with running_owner(node) as owner:
        assert await owner.submit(intent("poor")) is None
        assert owner.outcomes[0].status is OutcomeStatus.FAILED
        assert "Insufficient funds" in owner.outcomes[0].reason
        await owner.submit(intent("rich"))
        await owner.submit(intent("poor"))  # it may be tried again
        assert [node.decoded(raw).nonce for raw in node.sent] == [0, 0, 1]
        await owner.observe(await node.mine())
        assert node.included() == [b"rich", b"poor"]


@pytest.mark.asyncio
async def test_a_base_fee_above_the_cap_fails_before_a_nonce_is_taken(node, running_owner, intent):
    node.base_fee = 50 * GWEI
    async with running_owner(node, policy=FeePolicy(cap=40 * GWEI)) as owner:
        assert await owner.submit(intent()) is None
        assert "above the cap" in owner.outcomes[0].reason
        assert owner.pending == 0
        assert node.sent == []


@pytest.mark.asyncio
async def test_a_cancelled_caller_leaves_nothing_half_done(node, running_owner, intent):
    async with running_owner(node) as owner:
        gate = anyio.Event()
        real_estimate = node.estimate_gas

        async def slow(transaction):
            await gate.wait()
            return await real_estimate(transaction)

        node.estimate_gas = slow
        with anyio.move_on_after(0.02):
            await owner.submit(intent())
        gate.set()
        await owner.submit(intent())
        assert len(node.sent) == 1


@pytest.mark.asyncio
async def test_an_owner_that_has_stopped_says_so(node, running_owner, intent):
    async with running_owner(node) as owner:
        pass
    with pytest.raises(OwnerStopped):
        await owner.submit(intent())


@pytest.mark.parametrize("wrong", [{"to": TARGET.lower()}, {"to": "0x12"}, {"value": -1}, {"gas": 0}])
def test_an_intent_that_cannot_be_signed_is_refused_where_it_is_made(wrong, intent):
    with pytest.raises(ValueError, match="An intent"):
        Intent(**{"key": intent().key, "to": TARGET, "data": b"", **wrong})


@pytest.mark.asyncio
async def test_a_base_fee_that_rose_since_the_last_block_is_asked_for_again(node, running_owner, intent):
    async with running_owner(node) as owner:
        await owner.submit(intent("one"))
        node.base_fee = 20 * GWEI
        await owner.submit(intent("two"))
        assert len(node.sent) == 3
        assert decode_transaction(node.sent[-1])["maxFeePerGas"] > 40 * GWEI
        assert owner.outcomes == []


@pytest.mark.asyncio
async def test_a_node_that_cannot_answer_now_is_asked_again(node, running_owner, intent):
    real_estimate, failures = node.estimate_gas, [ConnectionLost(), ConnectionLost()]

    async def failing(transaction):
        if failures:
            raise failures.pop()
        return await real_estimate(transaction)

    node.estimate_gas = failing
    async with running_owner(node) as owner:
        assert await owner.submit(intent()) is not None
        assert owner.outcomes == []


@pytest.mark.asyncio
async def test_an_unreachable_node_fails_the_intent_and_takes_no_nonce(
    monkeypatch, node, running_owner, intent
):
    monkeypatch.setattr("bcfl.chain.asking._BACKOFF_S", (0.0,))
    real_nonce = node.nonce

    async def unreachable(_address, _block):
        raise ConnectionLost

    node.nonce = unreachable
    async with running_owner(node) as owner:
        assert await owner.submit(intent(gas=50_000)) is None
        assert owner.outcomes[0].status is OutcomeStatus.FAILED
        assert owner.pending == 0
        node.nonce = real_nonce
        assert await owner.submit(intent(gas=50_000)) is not None
        assert node.decoded(node.sent[0]).nonce == 0


@pytest.mark.asyncio
async def test_a_pool_that_wants_more_than_the_cap_fails_the_intent(node, running_owner, intent):
    node.refusals = [RpcError(-32000, "transaction underpriced")] * 6
    async with running_owner(node, policy=FeePolicy(cap=4 * GWEI)) as owner:
        assert await owner.submit(intent()) is None
        assert "the cap is" in owner.outcomes[0].reason
        assert max(decode_transaction(raw)["maxFeePerGas"] for raw in node.sent) <= 4 * GWEI
        node.refusals = []
        assert await owner.submit(intent()) is not None
        assert node.decoded(node.sent[-1]).nonce == 0


@pytest.mark.asyncio
async def test_a_node_that_wants_ever_more_is_not_followed_for_ever(node, running_owner, intent):
    node.refusals = [RpcError(-32000, "transaction underpriced")] * 50
    async with running_owner(node) as owner:
        assert await owner.submit(intent()) is None
        assert len(node.sent) < 10
        assert owner.outcomes[0].status is OutcomeStatus.FAILED


@pytest.mark.asyncio
async def test_a_journal_that_cannot_be_written_ends_the_owner_and_nothing_is_sent(
    node, running_owner, intent
):
    with pytest.raises(BaseExceptionGroup) as failure:  # noqa: PT012 - the group ends with the body
        async with running_owner(node) as owner:
            await owner.submit(intent("before"))

            async def full(_entries):
                raise JournalUnwritable

            owner.journal.store = full
            with pytest.raises(JournalUnwritable):
                await owner.submit(intent("after"))
            await anyio.sleep_forever()
    assert failure.group_contains(JournalUnwritable)
    assert [node.decoded(raw).data for raw in node.sent] == [b"before"]
