# SPDX-License-Identifier: Apache-2.0
"""A task on a real anvil, played block by block and compared with its folded state after each.

``test_contracts.py`` loads it by its path: pytest's importlib mode puts no folder of tests on the import path.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter

from bcfl.agents.common.token_permits import PermitSource
from bcfl.chain.deployer import deploy, distribute, opened_setup
from bcfl.chain.devnet import mine, set_balance
from bcfl.chain.errors import RpcError
from bcfl.chain.keys import derive_key
from bcfl.contracts import calls, commitments, settlement
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log, decode_result, encode_call
from bcfl.contracts.calls import Opening
from bcfl.contracts.config import UNIT, Schedule, TaskConfig
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.event_codec import event_from_json, event_to_json
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.ids import ZERO_ADDRESS, ContentId
from bcfl.contracts.phases import Kind, Phase

__all__ = ("CONTRACT", "GENESIS", "Stage", "content")

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
        async with opened_setup(node, driven=True, confirmations=0) as setup:
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

    async def create(self, *, evaluators=1, budget=10**9, kind=Kind.CROWDSOURCING, **options):
        """A task whose evaluators, or founders, are people 1, 2, …"""
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
            kind=kind,
            config=config,
            evaluators=[self.people[n + 1].address for n in range(evaluators)],
            budget=budget,
            permit=permit,
        )
        self.state = None
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
            self.state = first_state(created[0])
            events += await self._events(ref, [created[0].task])
        if self.state is not None:
            for event in (x for x in events if x.origin.address == self.task):
                self._check_payout(event)
                self.state = fold(self.state, [event])
        for event in events:
            assert event_from_json(json.loads(json.dumps(event_to_json(event)))) == event
        self.events += events

    def _check_payout(self, event):
        if isinstance(event, e.EvaluationSubmitted):
            config = self.state.config
            assert event.payout == settlement.payout(
                event.scores,
                rate=config.rate,
                round_budget=config.round_budget,
                bonus=self.state.bonus,
                escrow=self.state.escrow,
            )

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

    def bonds(self):
        """What is held of each evaluator's bond."""
        return [0 if one.bond is None or one.returned else one.bond for one in self.state.evaluators]

    async def compare(self):
        """Every view says what the state says."""
        state = self.state
        if state is None:
            return
        (
            phase,
            cancel,
            _,
            _,
            evaluator,
            number,
            deadline,
            cohort,
            committed,
            revealed,
            batches,
            _,
            _,
            _,
        ) = await self.view("round")
        assert (Phase(phase), number, deadline) == (state.phase, state.round, state.deadline)
        assert cancel == state.cancel_requested
        assert await self.view("model") == (state.model.digest, state.model.size)
        record = state.current if state.round else None
        if record is not None:
            entered = record.commitments if state.config.commit_reveal else record.updates
            counts = (len(record.cohort), len(entered), len(record.updates), len(record.batches))
            assert (cohort, committed, revealed, batches) == counts
            if isinstance(state, CrowdState):
                assert state.active_evaluator in {evaluator, None}
        owed = [one.earned - one.withdrawn for one in state.members.values()]
        stakes = [one.stake for one in state.members.values()]
        bonds = self.bonds()
        held = (state.escrow, sum(owed), sum(stakes), sum(bonds))
        assert await self.view("ledger") == held
        balance = await self.view("balanceOf", self.task, contract="RewardToken", to=self.deployment.token)
        assert balance == sum(held) * UNIT
        suspended = [index for index in state.members if state.members[index].suspended]
        population = await self.view("population")
        assert population[:3] == (len(state.members), len(state.active_members), len(suspended))
        assert population[4] == state.bonus
        for index, member in state.members.items():
            (account, stake, _), active, out, chosen = await self.view("memberAt", index)
            given_out_again = account == ZERO_ADDRESS and not member.active
            assert given_out_again or account.lower() == member.account.lower()
            assert stake == member.stake
            assert (active, out) == (member.active, index in suspended)
            assert sum(await self.view("creditOf", index)) == owed[index]
            if record is not None:
                # later the view may show a ranking for a round that never comes
                if state.phase < Phase.SCORE_REVEAL:
                    assert chosen == (index in record.cohort)
                update = record.updates.get(index)
                entry = (index in entered, update is not None, update is not None and not update.owned)
                assert await self.view("intakeOf", state.round, index) == entry
        for digest, (owner_round, position, index) in state.owners.items():
            owner = (owner_round, position, TASK_OWNED if index is None else index, True)
            assert await self.view("digestOwner", digest) == owner
        for place, one in enumerate(state.evaluators if isinstance(state, CrowdState) else ()):
            account, bond, standing, served, opened = await self.view("evaluatorAt", place)
            listed = 0 if one.bond is None else 1
            if one.removed:
                listed = 2 if one.accused_in is None else 3
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
                (
                    index + 3,
                    calls.commit(
                        self.task,
                        round_number=self.state.round,
                        index=index,
                        commitment=self.hidden(index, update),
                    ),
                )
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
                        round_number=self.state.round,
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

    async def settle(self):
        """Everybody takes what is theirs; nothing is left."""
        assert self.state.ended
        for place, evaluator in enumerate(self.state.evaluators):
            if evaluator.accused_in is not None:
                newest = (await self.node.block("latest")).ref.timestamp
                share = (0, calls.withdraw_bond(self.task, evaluator=place))
                assert await self.play(share, at=max(newest + 1, self.state.deadline)) == [True]
            if evaluator.served and self.state.evaluators[place].bond:
                assert await self.refused(0, calls.withdraw_bond(self.task, evaluator=place))
                opening = calls.open_validation(self.task, evaluator=place, digest=b"\x01" * 32, salt=SALT)
                await self.must((0, opening))
            await self.must((0, calls.withdraw_bond(self.task, evaluator=place)))
        await self.must(
            (0, calls.withdraw(self.task, list(self.state.members))), (0, calls.refund(self.task))
        )
        unclaimed = self.state.bonus  # slashed, and came to no budget: nobody's
        assert await self.view("ledger") == (unclaimed, 0, 0, 0)
