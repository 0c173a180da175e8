# SPDX-License-Identifier: Apache-2.0
"""The vocabulary against the contracts on a real anvil: what Python hashes, signs and folds is what the chain says.

Every script below goes block by block; after each block the folded state is compared with all of the task's views,
and each event with its own JSON.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter

import pytest

from bcfl.agents.permits import PermitSource
from bcfl.chain.deployer import deploy, distribute, opened_setup
from bcfl.chain.devnet import mine, set_balance
from bcfl.chain.errors import RpcError
from bcfl.chain.keys import derive_key
from bcfl.contracts import calls, commitments, typed_data
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log, decode_result, encode_call
from bcfl.contracts.calls import Call, Opening, Sanction
from bcfl.contracts.config import UNIT, Schedule, TaskConfig
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.event_codec import event_from_json, event_to_json
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import CancelReason, Kind, Phase, Selection
from bcfl.contracts.scores import to_bitmap
from bcfl.contracts.state import TaskState, fold

pytestmark = pytest.mark.anvil

SALT = b"\x07" * 16
CONTRACT = "CrowdsourcingTask"
TASK_OWNED = 2**32 - 1
GENESIS = ContentId(hashlib.sha256(b"genesis").digest(), 7)
SPECIFICATION = ContentId(hashlib.sha256(b"specification").digest(), 13)


def content(name):
    return ContentId(hashlib.sha256(name.encode()).digest(), len(name) + 1)


class Stage:
    """One task on one chain, played call by call; ``people`` 0 publishes, the others are at hand."""

    def __init__(self, node, people, deployment):
        self.node = node
        self.people = people
        self.deployment = deployment
        self.nonces = Counter()
        self.state = None
        self.events = []

    @classmethod
    async def open(cls, node, people=8):
        signers = [derive_key(hashlib.sha256(f"person {n}".encode()).digest()) for n in range(people)]
        for signer in signers:
            await set_balance(node, signer.address, 10**18)
        async with opened_setup(node, driven=True) as setup:
            deployment = await deploy(
                setup, signers[0], name="Reward", symbol="R", supply=10**12, holder=signers[0].address
            )
            await distribute(
                setup, signers[0], deployment.token, {one.address: 10**10 for one in signers[1:]}
            )
        stage = cls(node, signers, deployment)
        for signer in signers:
            stage.nonces[signer.address] = await node.nonce(signer.address)
        return stage

    @property
    def task(self):
        return self.state.address

    async def create(self, *, evaluators=1, budget=10**9, **options):
        """A task whose evaluators are people 1, 2, …"""
        settings = {
            "rounds": 3,
            "capacity": 3,
            "min_trainers": 1,
            "max_update_size": 1000,
            "round_budget": 10**8,
            "bond": 10**9,
            "schedule": Schedule(
                enrolment=100, training=100, reveal=100, evaluation=100, aggregation=100, closing=100
            ),
        }
        config = TaskConfig(
            token=self.deployment.token,
            publisher=self.people[0].address,
            specification=SPECIFICATION,
            genesis=GENESIS,
            **{**settings, **options},
        )
        factory = self.deployment.factory
        permit = await self.permit(0, budget, spender=factory)
        call = calls.create_task(
            factory,
            kind=Kind.CROWDSOURCING,
            config=config,
            evaluators=[self.people[n + 1].address for n in range(evaluators)],
            budget=budget,
            permit=permit,
        )
        await self.play((0, call))
        assert self.state is not None, "the factory refused the task"
        assert self.state.config == config

    async def permit(self, person, amount, spender=None):
        source = PermitSource(signer=self.people[person], node=self.node)
        return await source.permit(self.deployment.token, spender=spender or self.task, amount=amount)

    async def play(self, *acts, at=None):
        """A block with the (person, call) of these acts, in their order; the statuses of their receipts."""
        hashes = []
        for person, call in acts:
            signer = self.people[person]
            transaction = {
                "chainId": self.node.chain_id,
                "nonce": self.nonces[signer.address],
                "to": call.to,
                "value": 0,
                "data": call.data,
                "gas": 4_000_000,
                "maxFeePerGas": 0,
                "maxPriorityFeePerGas": 0,
            }
            self.nonces[signer.address] += 1
            hashes.append(await self.node.send_raw(signer.sign_transaction(transaction)[0]))
        newest = await self.node.block("latest")
        ref = await mine(self.node, timestamp=at or newest.ref.timestamp + 1)
        await self._fold(ref)
        await self.compare()
        receipts = {one["transactionHash"]: one for one in await self.node.receipts(ref.number)}
        return [receipts[one]["status"] == "0x1" for one in hashes]

    async def must(self, *acts):
        """As ``play``, all of them successful."""
        assert all(await self.play(*acts))

    async def advance(self):
        """The deadline passes."""
        assert await self.play((0, calls.advance(self.task)), at=self.state.deadline) == [True]

    async def refused(self, person, call):
        """Whether the contract refuses this call now."""
        request = {"from": self.people[person].address, "to": call.to, "data": call.data}
        try:
            await self.node.estimate_gas(request)
        except RpcError:
            return True
        return False

    async def _fold(self, ref):
        addresses = [self.deployment.factory] + ([self.task] if self.state else [])
        events = await self._events(ref, addresses)
        created = [event for event in events if isinstance(event, e.TaskCreated)]
        if created:
            self.state = TaskState.created(created[0])
            events += await self._events(ref, [created[0].task])
        if self.state is not None:
            self.state = fold(self.state, [x for x in events if x.origin.address == self.task])
        for event in events:
            assert event_from_json(json.loads(json.dumps(event_to_json(event)))) == event
        self.events += events

    async def _events(self, ref, addresses):
        return [
            event
            for log in await self.node.logs(ref.hash, addresses)
            for event in decode_log(
                origin=EventOrigin(ref, log.log_index, log.transaction, log.address),
                topics=log.topics,
                data=log.data,
            )
        ]

    async def view(self, name, *arguments, contract=CONTRACT, to=None):
        data = await self.node.call(to or self.task, encode_call(contract, name, *arguments))
        result = decode_result(contract, name, data)
        return result[0] if len(result) == 1 else result

    async def compare(self):
        """Every view says what the state says."""
        state = self.state
        if state is None:
            return
        phase, cancel, _, _, evaluator, number, deadline, cohort, committed, revealed, batches, _ = (
            await self.view("round")
        )
        assert (Phase(phase), number, deadline) == (state.phase, state.round, state.deadline)
        assert cancel == state.cancel_requested
        assert await self.view("model") == (state.model.digest, state.model.size)
        record = state.current if state.round else None
        if record is not None:
            entered = record.commitments if state.config.commit_reveal else record.updates
            counts = (len(record.cohort), len(entered), len(record.updates), len(record.batches))
            assert (cohort, committed, revealed, batches) == counts
            assert state.active_evaluator in {evaluator, None}
        owed = [one.earned - one.withdrawn for one in state.members.values()]
        stakes = [one.stake for one in state.members.values()]
        bonds = [0 if one.bond is None or one.returned else one.bond for one in state.evaluators]
        held = (state.escrow, sum(owed), sum(stakes), sum(bonds))
        assert await self.view("ledger") == held
        balance = await self.view("balanceOf", self.task, contract="RewardToken", to=self.deployment.token)
        assert balance == sum(held) * UNIT
        suspended = [index for index in state.members if state.is_suspended(index)]
        population = await self.view("population")
        assert population[:3] == (len(state.members), len(state.active_members), len(suspended))
        assert population[4] == state.bonus
        for index, member in state.members.items():
            (account, stake), active, out, chosen = await self.view("memberAt", index)
            assert (account.lower(), stake) == (member.account.lower(), member.stake)
            assert (active, out) == (member.active, index in suspended)
            assert sum(await self.view("creditOf", index)) == owed[index]
            if record is not None:
                assert chosen == (index in record.cohort)
                update = record.updates.get(index)
                entry = (index in entered, update is not None, update is not None and not update.owned)
                assert await self.view("intakeOf", state.round, index) == entry
        for digest, (owner_round, position, index) in state.owners.items():
            owner = (owner_round, position, TASK_OWNED if index is None else index, True)
            assert await self.view("digestOwner", digest) == owner
        for place, one in enumerate(state.evaluators):
            account, bond, standing, served, opened = await self.view("evaluatorAt", place)
            listed = 2 if one.removed else 0 if one.bond is None else 1
            assert account.lower() == one.account.lower()
            assert (bond, standing, served, opened) == (bonds[place], listed, one.served, one.opened)

    # ---- the acts of a task; trainers are the people from 3 on, member n is person n + 3

    async def enrol(self, members, *, evaluator=0):
        await self.bond(evaluator)
        for member in range(members):
            await self.must((member + 3, await self.join(member)))

    async def join(self, member):
        person = member + 3
        permit = await self.permit(person, self.state.config.stake)
        return calls.join(self.task, self.people[person].address, permit=permit)

    async def bond(self, evaluator):
        bond = calls.bond(
            self.task,
            evaluator=evaluator,
            validation_commitment=commitments.validation_commitment(SALT, b"\x01" * 32),
            permit=await self.permit(evaluator + 1, self.state.config.bond),
        )
        await self.must((evaluator + 1, bond))

    def hidden(self, index, update):
        return commitments.commitment(
            chain_id=self.node.chain_id,
            task=self.task,
            round_number=self.state.round,
            index=index,
            content=update,
            salt=SALT,
        )

    async def commit(self, updates):
        await self.must(
            *(
                (index + 3, calls.commit(self.task, index=index, commitment=self.hidden(index, update)))
                for index, update in updates.items()
            )
        )

    async def reveal(self, updates):
        record = self.state.current
        acts = []
        for index, update in updates.items():
            entry = record.commitments[index]
            opening = Opening(place=entry.place, content=update, salt=SALT)
            acts.append(
                (
                    index + 3,
                    calls.reveal(
                        self.task,
                        batch=entry.batch,
                        entries=record.batches[entry.batch],
                        openings=[opening],
                    ),
                )
            )
        await self.must(*acts)

    def evaluation(self, scores, model, **extra):
        return calls.submit_evaluation(
            self.task,
            round_number=self.state.round,
            scores=scores,
            model=content(model),
            report=content("report"),
            **extra,
        )

    async def evaluate(self, scores, model, *, evaluator=0, **extra):
        await self.must((evaluator + 1, self.evaluation(scores, model, **extra)))

    async def settle(self, *evaluators):
        """Everybody takes what is theirs; nothing is left."""
        assert self.state.ended
        for place in evaluators:
            opening = calls.open_validation(self.task, evaluator=place, digest=b"\x01" * 32, salt=SALT)
            await self.must((0, opening), (0, calls.withdraw_bond(self.task, evaluator=place)))
        await self.must((0, calls.withdraw(self.task, list(self.state.members))), (0, calls.refund(self.task)))
        assert self.state.earned + self.state.returned >= self.state.budget
        assert await self.view("ledger") == (0, 0, 0, 0)


@pytest.mark.asyncio
async def test_faults_take_over_void_rounds_leaving_and_cancelling(node):
    stage = await Stage.open(node)
    await stage.create(rounds=4, stake=5_000)
    await stage.enrol(3)
    assert stage.state.phase is Phase.TRAINING

    # the copy opens first and owns the digest until the earlier commitment opens; the third never opens
    shared = content("shared")
    await stage.commit({0: shared, 1: shared, 2: content("unopened")})
    await stage.reveal({1: shared})
    assert stage.state.owners[shared.digest] == (1, 1, 1)
    await stage.reveal({0: shared})
    assert stage.state.owners[shared.digest] == (1, 0, 0)
    await stage.advance()
    assert stage.state.members[2].stake == 0
    assert stage.state.bonus == 5_000
    assert await stage.refused(1, stage.evaluation([5, 5], "model 1")), "the copy was scored"
    await stage.evaluate([3 * 10**8, 0], "model 1")
    assert stage.state.rounds[1].credits == {0: 10**8 + 5_000, 1: 0}

    await stage.advance()
    assert stage.state.rounds[2].payout == 0
    assert stage.state.model == content("model 1"), "a void round keeps the model"

    leave = Call(stage.task, encode_call(CONTRACT, "leave", 1, b""))
    await stage.must((4, leave))
    assert stage.state.current.cohort == (0, 2)
    await stage.commit({0: GENESIS, 2: content("own")})
    await stage.must((0, calls.cancel(stage.task)))
    await stage.reveal({2: content("own"), 0: GENESIS})
    assert not stage.state.current.updates[0].owned, "somebody is paid for the genesis model"
    await stage.evaluate([0, -4], "model 3")
    assert stage.state.cancel_reason is CancelReason.PUBLISHER
    assert await stage.refused(4, await stage.join(1)), "an account joins once"
    await stage.settle(0)


@pytest.mark.asyncio
async def test_a_relayed_task_with_signed_joins_batches_suspension_and_farewell(node):
    stage = await Stage.open(node)
    await stage.create(rounds=3, relayed=True, stake=700, fault_suspension=1)
    await stage.bond(0)
    chain_id, task = node.chain_id, stage.task
    for member in range(3):
        signer = stage.people[member + 3]
        digest = typed_data.join_digest(chain_id=chain_id, task=task, account=signer.address)
        call = calls.join(
            task,
            signer.address,
            permit=await stage.permit(member + 3, 700),
            signature=signer.sign_digest(digest),
        )
        stranger = stage.people[7].sign_digest(digest)
        forged = calls.join(task, signer.address, permit=calls.NO_PERMIT, signature=stranger)
        assert await stage.refused(0, forged)
        await stage.must((0, call))

    def entry(index, name, *, by=None):
        hidden = stage.hidden(index, content(name))
        digest = typed_data.commit_digest(
            chain_id=chain_id, task=task, round_number=stage.state.round, index=index, commitment=hidden
        )
        signer = stage.people[3 + (index if by is None else by)]
        return index.to_bytes(4, "big") + hidden + signer.sign_digest(digest)

    # a forged entry and a second one of the same member are skipped
    batch = entry(2, "c") + entry(1, "forged", by=0) + entry(0, "a") + entry(0, "again") + entry(1, "b")
    await stage.must((0, Call(task, encode_call(CONTRACT, "commitBatch", batch))))
    commitments_made = stage.state.current.commitments
    assert {n: entry.position for n, entry in commitments_made.items()} == {2: 0, 0: 1, 1: 2}
    assert commitments_made[1].commitment == stage.hidden(1, content("b"))
    assert stage.state.phase is Phase.REVEAL
    await stage.reveal({0: content("a"), 1: content("b")})
    await stage.advance()
    assert stage.state.is_suspended(2)
    assert stage.state.members[2].stake == 700, "a relayed task does not slash"
    await stage.evaluate([2, 1], "model 1")
    assert stage.state.current.cohort == (0, 1)

    digest = typed_data.leave_digest(chain_id=chain_id, task=task, index=1)
    farewell = Call(task, encode_call(CONTRACT, "leave", 1, stage.people[4].sign_digest(digest)))
    await stage.must((0, farewell))
    assert stage.state.members[1].stake == 0
    await stage.commit({0: content("second")})
    await stage.reveal({0: content("second")})
    await stage.evaluate([10**9], "model 2")
    assert stage.state.current.cohort == (0, 2), "the suspension is over"
    await stage.advance()
    assert stage.state.phase is Phase.CLOSING
    await stage.advance()
    assert stage.state.phase is Phase.COMPLETED
    await stage.settle(0)


@pytest.mark.asyncio
async def test_silent_evaluators_are_replaced_and_at_last_owners_share_equally(node):
    stage = await Stage.open(node)
    await stage.create(evaluators=2, rounds=3, round_budget=10**8 + 1)
    await stage.enrol(3, evaluator=1)
    assert stage.state.active_evaluator == 1
    await stage.bond(0)
    assert stage.state.active_evaluator == 1, "who bonds later does not push out who is active"

    first = {0: content("x"), 1: content("y"), 2: content("z")}
    await stage.commit(first)
    await stage.reveal(first)
    await stage.advance()
    assert stage.state.active_evaluator == 0
    assert stage.state.evaluators[1].removed
    assert stage.state.phase is Phase.EVALUATION
    await stage.evaluate([1, 1, 1], "model 1", evaluator=0)
    assert sum(stage.state.rounds[1].credits.values()) == 10**8 + 1 + 10**9 // 2

    second = {0: content("p"), 1: content("p"), 2: content("q")}
    await stage.commit(second)
    await stage.reveal(second)
    await stage.advance()
    assert stage.state.cancel_reason is CancelReason.NO_EVALUATOR
    shares = stage.state.rounds[2].credits
    assert sorted(shares) == [0, 2], "who copied shares nothing"
    assert shares[0] - shares[2] == (10**8 + 1 + 10**9 // 2) % 2
    await stage.settle(0)
    assert stage.state.evaluators[1].bond == 10**9 // 2
    await stage.must((0, calls.withdraw_bond(stage.task, evaluator=1))) if not stage.state.evaluators[
        1
    ].returned else None


@pytest.mark.asyncio
async def test_vesting_ejection_and_a_named_aggregator(node):
    stage = await Stage.open(node, people=9)
    publisher = stage.people[0].address
    await stage.create(
        rounds=5,
        capacity=5,
        vesting_rounds=1,
        round_budget=0,
        rate=10**7,
        bond=10**9,
        aggregator=publisher,
    )
    await stage.enrol(5)

    async def one_round(members, scores, *, model, **extra):
        updates = {n: content(f"{stage.state.round} of {n}") for n in members}
        await stage.commit(updates)
        await stage.reveal(updates)
        await stage.evaluate(scores, "ignored", **extra)
        if model is None:
            await stage.advance()
        else:
            named = content(model)
            await stage.must(
                (0, calls.submit_model(stage.task, round_number=stage.state.round, model=named))
            )

    suspend = Sanction(index=4, rounds=3, reason=6, evidence=b"\x05" * 32)
    await one_round(range(5), [10**9] * 5, model="model 1", sanctions=[suspend])
    assert stage.state.is_suspended(4)
    assert await stage.view("creditOf", 4) == (0, 10**7)
    nothing = stage.state.members[4].withdrawn
    await stage.must((0, calls.withdraw(stage.task, [4])))
    assert stage.state.members[4].withdrawn == nothing, "unvested credits were paid"

    eject = Sanction(index=4, rounds=0, reason=6, evidence=b"\x06" * 32)
    await one_round(range(4), [10**9, 10**8, 7, 0], model=None, sanctions=[eject])
    assert stage.state.members[4].ejected_round == 2
    assert stage.state.members[4].earned == 0
    assert stage.state.bonus == 10**7, "forfeits join the next round's budget"
    assert stage.state.rounds[2].model == content("model 1"), "a missed model keeps the last one"

    await one_round(range(4), [3, 3, 3, 10**9], model="3 of 0")
    assert stage.state.rounds[3].payout == 10**7 * (10**9 + 9) // 10**9 + 10**7
    assert stage.state.owners[content("3 of 0").digest] == (3, 0, None), "a global model is the task's own"
    await stage.must((0, calls.withdraw(stage.task, [0, 3])))
    assert stage.state.members[0].withdrawn == sum(stage.state.rounds[n].credits[0] for n in (1, 2))
    await one_round(range(4), [1, 2, 3, 4], model=None)
    await one_round(range(4), [1, 2, 3, 4], model=None)
    assert stage.state.cancel_reason is CancelReason.NO_MODEL, "two models in a row were missed"
    await stage.settle(0)


@pytest.mark.parametrize("selection", list(Selection))
@pytest.mark.asyncio
async def test_open_submissions_and_every_way_to_select(node, selection):
    stage = await Stage.open(node, people=9)
    size = 0 if selection is Selection.ALL else 3
    await stage.create(
        capacity=6, commit_reveal=False, unique_digests=False, selection=selection, cohort_size=size
    )
    await stage.enrol(6)
    for number in (1, 2, 3):
        cohort = stage.state.current.cohort
        assert len(cohort) == (size or len(stage.state.active_members))
        for n in cohort:
            await stage.must((n + 3, calls.submit(stage.task, index=n, content=content(f"update {n}"))))
            if number == 2 and n == cohort[0]:
                leave = Call(stage.task, encode_call(CONTRACT, "leave", n, b""))
                await stage.must((n + 3, leave))
                assert n in stage.state.current.cohort, "who has submitted stays counted"
        ranking = ()
        if selection is Selection.SCORE_ORDER:
            ranking = to_bitmap([3, 4, 5], len(stage.state.members))
        await stage.evaluate([n + 1 for n in range(len(cohort))], f"model {number}", ranking=ranking)
        if ranking and number < 3:
            assert stage.state.current.cohort == (3, 4, 5) or number == 2
    assert stage.state.phase is Phase.CLOSING


@pytest.mark.asyncio
async def test_a_task_nobody_joins_or_evaluates_is_cancelled_with_a_full_refund(node):
    stage = await Stage.open(node)
    await stage.create(min_trainers=2)
    await stage.enrol(1)
    await stage.advance()
    assert stage.state.cancel_reason is CancelReason.TOO_FEW_TRAINERS
    await stage.settle()
    assert stage.state.returned == stage.state.budget
    await stage.must((0, calls.withdraw_bond(stage.task, evaluator=0)))
    assert stage.state.evaluators[0].returned


@pytest.mark.asyncio
async def test_the_configuration_on_chain_is_the_one_asked_for(node):
    stage = await Stage.open(node)
    aggregator = stage.people[5].address
    await stage.create(
        rounds=7,
        capacity=11,
        min_trainers=2,
        cohort_size=5,
        selection=Selection.FIRST_COME,
        relayed=True,
        unique_digests=False,
        public_audit=False,
        vesting_rounds=3,
        fault_suspension=9,
        stake=123,
        round_budget=0,
        rate=77,
        aggregator=aggregator,
        schedule=Schedule(enrolment=1, training=2, reveal=3, evaluation=4, aggregation=5, closing=6),
    )
    assert stage.state.config.schedule.closing == 6
    assert stage.state.deadline == (await node.block("latest")).ref.timestamp + 1
    other = dataclasses.replace(stage.state.config, stake=124)
    assert other != stage.state.config
