# SPDX-License-Identifier: Apache-2.0
"""A day's budget for fees: nothing is signed that it does not hold, and a new start has no new budget."""

from __future__ import annotations

import time

import pytest

from bcfl.chain.errors import DayBudgetReached
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import Journal
from bcfl.chain.spending import DayBudget
from bcfl.chain.transactions import OutcomeStatus

GWEI = 10**9
DAY = 86_400
HIGHEST = 60_000 * 3 * GWEI  # gas with its margin, at twice the base fee and the tip


def journal():
    return Journal.open(":memory:", chain_id=31337, genesis_hash="0x00")


@pytest.mark.asyncio
async def test_what_the_budget_does_not_hold_is_not_signed_and_takes_no_nonce(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(a_day=2 * HIGHEST)) as owner:
        assert await owner.submit(intent("one")) is not None
        assert await owner.submit(intent("two")) is not None
        assert await owner.submit(intent("three")) is None  # both are under way, and may cost all of it
        (outcome,) = owner.outcomes
        assert outcome.status is OutcomeStatus.FAILED
        assert "ether a day for fees does not hold" in outcome.reason
        await owner.observe(await node.mine())
        # they cost a third of what they might have
        assert await owner.submit(intent("three")) is not None
        assert [node.decoded(raw).nonce for raw in node.sent] == [0, 1, 2]


@pytest.mark.asyncio
async def test_a_new_start_has_no_new_budget_and_the_next_day_has_one(node, running_owner, intent):
    async with journal() as record:
        async with running_owner(node, journal=record, policy=FeePolicy(a_day=2 * HIGHEST)) as owner:
            for number in range(5):
                await owner.submit(intent(f"action {number}"))
                await owner.observe(await node.mine())
        spent = await record.spent(int(time.time()) // DAY)
        assert spent == 5 * 21_000 * 2 * GWEI
        today = DayBudget(record, spent + HIGHEST)
        await today.check(HIGHEST)
        with pytest.raises(DayBudgetReached):
            await today.check(HIGHEST + 1)
        tomorrow = DayBudget(record, spent + HIGHEST, now=lambda: time.time() + DAY)
        await tomorrow.check(spent + HIGHEST)


@pytest.mark.asyncio
async def test_without_a_budget_everything_goes(node, running_owner, intent):
    async with running_owner(node) as owner:
        for number in range(20):
            assert await owner.submit(intent(f"action {number}", gas=10**7)) is not None


@pytest.mark.asyncio
async def test_an_offer_is_not_raised_above_the_budget(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(a_day=HIGHEST, patience=1)) as owner:
        await owner.submit(intent())
        node.base_fee = 20 * GWEI
        for _ in range(4):
            await owner.observe(await node.mine())
        assert len(set(node.sent)) == 1
        node.base_fee = GWEI
        await owner.observe(await node.mine())
        assert node.included() == [b"commit"]


@pytest.mark.asyncio
async def test_sums_above_what_sqlite_counts_and_days_long_ago():
    async with journal() as record:
        for day in (1, 2, 30):
            record.spend_later(day, 10**19)
            record.spend_later(day, 1)
        assert [await record.spent(day) for day in (1, 2, 30)] == [0, 0, 10**19 + 1]


@pytest.mark.asyncio
async def test_a_lost_nonce_is_not_filled_beyond_the_budget(node, running_owner, intent):
    async with running_owner(node, policy=FeePolicy(a_day=600_000 * GWEI, patience=1)) as owner:
        await owner.submit(intent(data=b"revert", gas=60_000))
        await owner.observe(await node.mine())
        await owner.submit(intent(data=b"better", gas=60_000))
        await owner.submit(intent("next", gas=100_000))
        await owner.observe(node.retract(1))
        before = len(set(node.sent))
        for _ in range(6):
            await owner.observe(await node.mine())
        assert len(set(node.sent)) == before
