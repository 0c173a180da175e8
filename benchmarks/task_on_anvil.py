# SPDX-License-Identifier: Apache-2.0
"""A real task on a driven anvil with members that hold keys, played round by round; every receipt's gas is kept.

The honest moves are those of ``contracts/test/Gas.t.sol``, as signed transactions instead of calls in a test.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from bcfl.chain.deployer import deploy, distribute, opened_setup
from bcfl.chain.devnet import mine
from bcfl.chain.errors import DeploymentFailed
from bcfl.chain.keys import Signer, derive_key
from bcfl.chain.node import Node
from bcfl.contracts import calls
from bcfl.contracts.abi import decode_log, encode_call
from bcfl.contracts.calls import Call, Opening
from bcfl.contracts.commitments import SALT_BYTES, commitment, validation_commitment
from bcfl.contracts.config import UNIT, Schedule, TaskConfig
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.events import TaskCreated
from bcfl.contracts.ids import Address, ContentId, TxHash
from bcfl.contracts.phases import Kind
from bcfl.contracts.typed_data import commit_digest

__all__ = ("RoundGas", "TaskOnAnvil")

_TOKEN = 10**9  # in 10⁻⁹ token
_BUDGET = 1_000 * _TOKEN
_UPDATE_SIZE = 1_000
_BATCH = 256
_GAS_LIMIT = 900_000_000  # of one transaction; below that of anvil's block


@dataclass(frozen=True, kw_only=True)
class RoundGas:
    """Gas of a round's transactions by step, how many there were, and the largest."""

    commit: int
    reveal: int
    score: int
    transactions: int
    largest: int


class TaskOnAnvil:
    """One task whose first round has begun; ``round`` plays the next."""

    def __init__(self, node: Node, members: Sequence[Signer], evaluator: Signer, *, relayed: bool) -> None:
        self.address = self.factory = Address("")
        self._node = node
        self._members = members
        self._evaluator = evaluator
        self._relayer = _signer("relayer")
        self._relayed = relayed
        self._round = 0
        self._nonces: dict[Address, int] = {}

    @classmethod
    async def create(
        cls, node: Node, *, members: int, relayed: bool, unique_digests: bool, rounds: int = 4
    ) -> TaskOnAnvil:
        """Deploy everything, bond an evaluator, let ``members`` join."""
        round_budget = _BUDGET // rounds
        publisher, evaluator = _signer("publisher"), _signer("evaluator")
        task = cls(node, [_signer(f"member {place}") for place in range(members)], evaluator, relayed=relayed)
        async with opened_setup(node, driven=True, confirmations=0) as setup:
            deployment = await deploy(
                setup,
                _signer("deployer"),
                name="Reward",
                symbol="RWD",
                supply=2 * _BUDGET,
                holder=publisher.address,
            )
            await distribute(setup, publisher, deployment.token, {evaluator.address: round_budget})
        config = TaskConfig(
            token=deployment.token,
            publisher=publisher.address,
            specification=_content("specification"),
            genesis=_content("genesis"),
            rounds=rounds,
            capacity=members,
            min_trainers=2,
            max_update_size=2 * _UPDATE_SIZE,
            relayed=relayed,
            unique_digests=unique_digests,
            bond=round_budget,
            round_budget=round_budget,
            schedule=Schedule(),
        )
        task._nonces[publisher.address] = await node.nonce(publisher.address)
        creation = calls.create_task(
            deployment.factory,
            kind=Kind.CROWDSOURCING,
            config=config,
            evaluators=[evaluator.address],
            budget=_BUDGET,
        )
        allowance = calls.approve(deployment.token, deployment.factory, _BUDGET * UNIT)
        await task._transact([(publisher, allowance), (publisher, creation)])
        task.address = await _created(node, deployment.factory)
        task.factory = deployment.factory
        bond = calls.bond(
            task.address,
            evaluator=0,
            validation_commitment=validation_commitment(bytes(SALT_BYTES), bytes(32)),
        )
        allowance = calls.approve(deployment.token, task.address, round_budget * UNIT)
        await task._transact([(evaluator, allowance), (evaluator, bond)])
        await task._transact([(member, calls.join(task.address, member.address)) for member in task._members])
        return task

    async def round(self) -> RoundGas:
        """Everybody commits, opens, and is scored."""
        self._round += 1
        steps = {
            "commit": await self._transact(self._commits()),
            "reveal": await self._transact(self._reveals()),
            "score": await self._transact([(self._evaluator, self._evaluation())]),
        }
        every = [gas for step in steps.values() for gas in step]
        return RoundGas(
            **{name: sum(step) for name, step in steps.items()}, transactions=len(every), largest=max(every)
        )

    async def commitments(self) -> AsyncIterator[TxHash]:
        """The next round's commitments, sent one at a time; whoever asks for the next one has mined the one before."""
        self._round += 1
        for signer, call in self._commits():
            yield await self._send(signer, call, gas=_GAS_LIMIT // len(self._members))

    def _commits(self) -> list[tuple[Signer, Call]]:
        if not self._relayed:
            return [
                (
                    member,
                    calls.commit(
                        self.address,
                        round_number=self._round,
                        index=index,
                        commitment=self._commitment(index),
                    ),
                )
                for index, member in enumerate(self._members)
            ]
        signed = [self._entry(index) + self._signature(index) for index in range(len(self._members))]
        return [
            (self._relayer, self._commit_batch(signed[first : first + _BATCH]))
            for first in range(0, len(signed), _BATCH)
        ]

    def _commit_batch(self, signed: Sequence[bytes]) -> Call:
        return Call(
            self.address, encode_call("CrowdsourcingTask", "commitBatch", self._round, b"".join(signed))
        )

    def _reveals(self) -> list[tuple[Signer, Call]]:
        size = _BATCH if self._relayed else 1
        moves = []
        for batch, first in enumerate(range(0, len(self._members), size)):
            indices = range(first, min(first + size, len(self._members)))
            openings = [
                Opening(place=place, content=self._update(index), salt=self._salt(index))
                for place, index in enumerate(indices)
            ]
            entries = b"".join(self._entry(index) for index in indices)
            sender = self._relayer if self._relayed else self._members[first]
            moves.append(
                (
                    sender,
                    calls.reveal(
                        self.address,
                        round_number=self._round,
                        batch=batch,
                        entries=entries,
                        openings=openings,
                    ),
                )
            )
        return moves

    def _evaluation(self) -> Call:
        # scores as they mostly are: any digits below 1.0, four in five positive
        generator = random.Random(self._round)
        sizes = [generator.randrange(1, 10**9) for _ in self._members]
        return calls.submit_evaluation(
            self.address,
            round_number=self._round,
            scores=[-size if place % 5 == 4 else size for place, size in enumerate(sizes)],
            model=_content(f"model {self._round}"),
            report=_content(f"report {self._round}"),
        )

    def _update(self, index: int) -> ContentId:
        return _content(f"update {self._round} {index}")

    def _salt(self, index: int) -> bytes:
        return hashlib.sha256(f"salt {self._round} {index}".encode()).digest()[:SALT_BYTES]

    def _commitment(self, index: int) -> bytes:
        return commitment(
            chain_id=self._node.chain_id,
            task=self.address,
            round_number=self._round,
            index=index,
            content=self._update(index),
            salt=self._salt(index),
        )

    def _entry(self, index: int) -> bytes:
        return index.to_bytes(4, "big") + self._commitment(index)

    def _signature(self, index: int) -> bytes:
        return self._members[index].sign_digest(
            commit_digest(
                chain_id=self._node.chain_id,
                task=self.address,
                round_number=self._round,
                index=index,
                commitment=self._commitment(index),
            )
        )

    async def _transact(self, moves: Sequence[tuple[Signer, Call]]) -> list[int]:
        """Send in this order, mine one block, and return the gas that each transaction used."""
        for signer, call in moves:
            await self._send(signer, call, gas=_GAS_LIMIT // len(moves))
        newest = await self._node.block("latest")
        block = await mine(self._node, timestamp=newest.ref.timestamp + 1)
        receipts = await self._node.receipts(block.number)
        if len(receipts) != len(moves) or any(int(receipt["status"], 16) != 1 for receipt in receipts):
            raise DeploymentFailed(f"Not every transaction of block {block.number} succeeded.")
        return [int(receipt["gasUsed"], 16) for receipt in receipts]

    async def _send(self, signer: Signer, call: Call, *, gas: int) -> TxHash:
        nonce = self._nonces.get(signer.address, 0)
        raw, _ = signer.sign_transaction(
            {
                "chainId": self._node.chain_id,
                "nonce": nonce,
                "to": call.to,
                "value": 0,
                "data": call.data,
                "gas": gas,
                "maxFeePerGas": 0,
                "maxPriorityFeePerGas": 0,
            }
        )
        self._nonces[signer.address] = nonce + 1
        return await self._node.send_raw(raw)


async def _created(node: Node, factory: Address) -> Address:
    """The task that the newest block's ``TaskCreated`` names."""
    block = await node.block("latest")
    for log in await node.logs(block.ref.hash, [factory]):
        origin = EventOrigin(
            block=block.ref, log_index=log.log_index, transaction=TxHash(log.transaction), address=log.address
        )
        for event in decode_log(origin=origin, topics=log.topics, data=log.data):
            if isinstance(event, TaskCreated):
                return event.task
    raise DeploymentFailed("The factory made no task.")


def _signer(name: str) -> Signer:
    return derive_key(hashlib.sha256(name.encode()).digest())


def _content(name: str) -> ContentId:
    return ContentId(hashlib.sha256(name.encode()).digest(), _UPDATE_SIZE)
