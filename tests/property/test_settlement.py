# SPDX-License-Identifier: Apache-2.0
"""Rewards as Python computes them: their laws, and to the last unit those that the contract credits on anvil."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcfl.chain.deployer import deploy, opened_setup
from bcfl.chain.devnet import Devnet, mine, set_balance
from bcfl.chain.keys import derive_key
from bcfl.chain.node import open_node
from bcfl.contracts import calls, settlement
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log, decode_result, encode_call
from bcfl.contracts.config import UNIT, Schedule, TaskConfig
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import Kind

SCORE = 2**63 - 1
MEMBERS = 6
ROUNDS = 40
scores = st.lists(st.integers(-SCORE, SCORE) | st.integers(-3, 3), max_size=40)
amounts = st.integers(0, 2**56)


@given(scores, amounts)
def test_a_credit_pays_the_total_or_nothing(scores, total):
    shares = settlement.credit(scores, total)
    assert len(shares) == len(scores)
    assert sum(shares) == (total if any(score > 0 for score in scores) else 0)
    assert all(share == 0 for score, share in zip(scores, shares, strict=True) if score <= 0)
    ranked = [share for _, share in sorted(zip(scores, shares, strict=True))]
    assert ranked == sorted(ranked) or max(scores.count(score) for score in scores) > 1


@given(scores, amounts)
def test_equal_scores_differ_by_the_remainder_only(scores, total):
    positive = sum(score for score in scores if score > 0)
    for score, share in zip(scores, settlement.credit(scores, total), strict=True):
        if score > 0:
            assert 0 <= share - total * score // positive < len(scores)


@given(scores, st.integers(0, 2**40), st.integers(0, 2**50), amounts, amounts)
def test_a_payout_never_exceeds_the_escrow_and_needs_a_positive_score(scores, rate, budget, bonus, escrow):
    paid = settlement.payout(scores, rate=rate, round_budget=budget, bonus=bonus, escrow=escrow)
    assert 0 <= paid <= escrow
    if not any(score > 0 for score in scores):
        assert paid == 0
    elif budget and paid < escrow:
        assert paid == budget + min(bonus, budget)


@given(scores, st.integers(0, 2**40), st.integers(0, 2**50), amounts, amounts)
def test_what_waits_and_what_was_paid_of_a_bonus_are_the_bonus(scores, rate, budget, bonus, rest):
    escrow = bonus + rest  # slashed and forfeited amounts are in the escrow
    own = settlement.payout(scores, rate=rate, round_budget=budget, bonus=0, escrow=escrow)
    paid = settlement.payout(scores, rate=rate, round_budget=budget, bonus=bonus, escrow=escrow)
    left = settlement.carried(bonus, paid=paid, escrow=escrow)
    assert 0 <= left <= escrow - paid
    assert paid <= 2 * own or paid == 0
    # What the round pays by itself comes of the rest, as far as there is one.
    assert bonus - left == (max(paid - own, paid - rest) if paid < escrow else bonus)


@given(amounts, st.integers(0, 50))
def test_an_equal_split_pays_the_total(total, count):
    shares = settlement.equal_split(total, count)
    assert sum(shares) == (total if count else 0)
    assert len(shares) == count
    assert max(shares[1:], default=0) - min(shares[1:], default=0) == 0


def _random_scores(source):
    """All sizes and signs, ties and zeros among them."""
    magnitude = 2 ** source.randrange(1, 63)
    drawn = [source.randrange(-magnitude // 2, magnitude) for _ in range(MEMBERS)]
    if source.random() < 0.3:
        drawn = [source.choice(drawn) for _ in drawn]
    if source.random() < 0.1:
        drawn = [min(score, 0) for score in drawn]
    return drawn


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("rate", "round_budget", "budget", "seed"),
    [
        (10**9, 0, 10**15, 1),  # one token a unit; large scores empty the escrow at once
        (1, 0, 10**15, 2),  # most rounds pay little, by rate
        (0, 10**12 + 7, ROUNDS * (10**12 + 7), 3),
        (0, 13, 10**6, 4),  # a handful of units: the remainder is most of it
    ],
)
@pytest.mark.asyncio
async def test_the_contract_credits_the_same_to_the_last_unit(rate, round_budget, budget, seed):
    source = random.Random(seed)  # noqa: S311 - any scores do
    people = [derive_key(hashlib.sha256(f"{n}".encode()).digest()) for n in range(MEMBERS + 1)]
    publisher = people[0]
    async with Devnet.start(timestamp=1_700_000_000) as devnet, open_node(devnet.url) as node:
        for signer in people:
            await set_balance(node, signer.address, 10**18)
        async with opened_setup(node, driven=True, confirmations=0) as setup:
            deployment = await deploy(
                setup, publisher, name="R", symbol="R", supply=10**17, holder=publisher.address
            )
        nonces = {signer.address: await node.nonce(signer.address) for signer in people}

        async def block(*acts):
            for signer, call in acts:
                transaction = {
                    "chainId": node.chain_id,
                    "nonce": nonces[signer.address],
                    "to": call.to,
                    "value": 0,
                    "data": call.data,
                    "gas": 3_000_000,
                    "maxFeePerGas": 0,
                    "maxPriorityFeePerGas": 0,
                }
                nonces[signer.address] += 1
                await node.send_raw(signer.sign_transaction(transaction)[0])
            ref = await mine(node)
            receipts = await node.receipts(ref.number)
            assert [receipt["status"] for receipt in receipts] == ["0x1"] * len(acts)
            return ref

        async def events(ref, address):
            return [
                event
                for log in await node.logs(ref.hash, [address])
                for event in decode_log(
                    origin=EventOrigin(ref, log.log_index, log.transaction, log.address),
                    topics=log.topics,
                    data=log.data,
                )
            ]

        config = TaskConfig(
            token=deployment.token,
            publisher=publisher.address,
            specification=ContentId(bytes(32), 1),
            genesis=ContentId(bytes(32), 1),
            rounds=ROUNDS,
            capacity=MEMBERS,
            min_trainers=1,
            max_update_size=100,
            schedule=Schedule(),
            commit_reveal=False,
            unique_digests=False,
            bond=max(budget // ROUNDS, round_budget),
            rate=rate,
            round_budget=round_budget,
        )
        create = calls.create_task(
            deployment.factory,
            kind=Kind.CROWDSOURCING,
            config=config,
            evaluators=[publisher.address],
            budget=budget,
        )
        allowance = 10**17 * UNIT
        approve = calls.approve(deployment.token, deployment.factory, allowance)
        created = await events(await block((publisher, approve), (publisher, create)), deployment.factory)
        task = created[0].task
        await block(
            (publisher, calls.approve(deployment.token, task, allowance)),
            (publisher, calls.bond(task, evaluator=0, validation_commitment=bytes(32))),
            *((signer, calls.join(task, signer.address)) for signer in people[1:]),
        )

        escrow, earned = budget, [0] * MEMBERS
        for number in range(1, ROUNDS + 1):
            drawn = _random_scores(source)
            model = ContentId(hashlib.sha256(b"%d" % number).digest(), 1)
            evaluate = calls.submit_evaluation(
                task, round_number=number, scores=drawn, model=model, report=model
            )
            submissions = (
                (signer, calls.submit(task, round_number=number, index=index, content=model))
                for index, signer in enumerate(people[1:])
            )
            heard = await events(await block(*submissions, (publisher, evaluate)), task)
            due = settlement.payout(drawn, rate=rate, round_budget=round_budget, bonus=0, escrow=escrow)
            (evaluation,) = (event for event in heard if isinstance(event, e.EvaluationSubmitted))
            assert (evaluation.payout, evaluation.scores) == (due, tuple(drawn))
            escrow -= due
            shares = settlement.credit(drawn, due)
            earned = [sum(pair) for pair in zip(earned, shares, strict=True)]
            credited = []
            for index in range(MEMBERS):
                data = await node.call(task, encode_call("CrowdsourcingTask", "creditOf", index))
                credited.append(decode_result("CrowdsourcingTask", "creditOf", data)[0])
            assert credited == earned
        assert sum(earned) > 0
