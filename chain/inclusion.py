# SPDX-License-Identifier: Apache-2.0
"""What the transaction owners of one process learn from the block pump, once for all of them.

A block costs one ``eth_getBlockReceipts``, and that only while some transaction is under way; a thousand
waiting senders cost no more than one. Blocks that left the chain give their transactions back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import structlog

from bcfl.chain.crash_point import crash_point
from bcfl.chain.fees import FeePolicy, Fees
from bcfl.chain.intents import Outcome, OutcomeStatus, TransactionNode
from bcfl.chain.journal import Journal
from bcfl.chain.outbox import ActionKey, OutboxEntry, OutboxStatus
from bcfl.chain.rpc_errors import revert_data
from bcfl.chain.spending import DayBudget
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level, Retracted
from bcfl.contracts.ids import Address, TxHash
from bcfl.errors import ChainError

__all__ = ("Found", "InclusionWatch", "ObservedOwner", "OpenTransaction")

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class OpenTransaction:
    """A transaction under way, in the memory of its owner.

    Attributes:
        entry: its row in the outbox.
        call: what is signed: the fields of ``Signer.sign_transaction``.
        since: number of the newest block when it was last sent.
        examined: number of the block at which it was last looked into; None to look at the next block.
        nonce_taken: the nonce was seen used, and not by this transaction.
    """

    entry: OutboxEntry
    call: dict[str, Any]
    since: int
    examined: int | None
    nonce_taken: bool = False

    @property
    def fees(self) -> Fees:
        """What it offers to pay."""
        return Fees(max_fee=self.call["maxFeePerGas"], priority_fee=self.call["maxPriorityFeePerGas"])

    @property
    def gas_cost(self) -> int:
        """The most that its gas can cost, in wei."""
        return int(self.call["gas"]) * self.fees.max_fee

    @property
    def is_fresh(self) -> bool:
        """No node has seen these bytes, so they may be signed again with another nonce."""
        return self.entry.status is OutboxStatus.PENDING


class ObservedOwner(Protocol):
    """What the watch needs of an owner."""

    address: Address

    def under_way(self) -> Sequence[OpenTransaction]:
        """Its transactions that are signed or sent."""
        ...

    def take(self, transaction: OpenTransaction) -> None:
        """Stop working on a transaction: it was found in a block, its outcome follows."""
        ...

    def conclude(self, outcome: Outcome) -> None:
        """Report the outcome of a transaction taken before."""
        ...

    async def resume(self, entries: Sequence[OutboxEntry]) -> None:
        """Send transactions again that left the chain."""
        ...

    async def examine(self, keys: Sequence[ActionKey]) -> None:
        """Look into transactions that have waited for a while."""
        ...


@dataclass(frozen=True)
class Found:
    """An owner's transaction with its receipt and block."""

    owner: ObservedOwner
    transaction: OpenTransaction
    receipt: dict[str, Any]
    block: BlockRef

    @property
    def succeeded(self) -> bool:
        """Whether the call did what it was for (EIP-658)."""
        return int(self.receipt["status"], 16) == 1

    @property
    def cost(self) -> int:
        """What it cost, in wei."""
        return int(self.receipt["gasUsed"], 16) * int(self.receipt.get("effectiveGasPrice") or "0x0", 16)

    @property
    def entry(self) -> OutboxEntry:
        """The outbox row as it is to be."""
        return dataclasses.replace(
            self.transaction.entry,
            status=OutboxStatus.INCLUDED if self.succeeded else OutboxStatus.FAILED,
            block=(self.block.number, self.block.hash),
        )


class InclusionWatch:
    """Finds own transactions in new blocks and keeps the newest base fee.

    Attributes:
        head: the highest block number known.
        observed: number of the newest block that the pump delivered; -1 before the first.
        patience: blocks a transaction is left alone before its owner looks into it.
        budget: of what all of them cost.
    """

    def __init__(self, *, node: TransactionNode, journal: Journal, policy: FeePolicy) -> None:
        self.head = 0
        self.observed = -1
        self.patience = policy.patience
        self.budget = DayBudget(journal, policy.a_day)
        self._node = node
        self._journal = journal
        self._base_fee: int | None = None
        self._is_base_fee_known = False
        self._asking = anyio.Lock()

    async def base_fee(self, *, refresh: bool = False) -> int | None:
        """Base fee of the newest block in wei per gas, asked for once a block however many want it."""
        async with self._asking:
            if refresh or not self._is_base_fee_known:
                newest = await self._node.block("latest")
                self._base_fee = newest.base_fee
                self._is_base_fee_known = True
                self.head = max(self.head, newest.ref.number)
            return self._base_fee

    async def observe(self, delivery: Delivery, owners: Sequence[ObservedOwner]) -> None:
        """Take in what the pump delivered; returns when everything it leads to has been done."""
        if isinstance(delivery, Retracted):
            await self._retract(delivery, owners)
        elif delivery.level is Level.SEEN:
            await self._resolve(delivery, owners)

    async def settle(self, findings: Sequence[Found]) -> None:
        """Record transactions found in blocks and report their outcomes."""
        for finding in findings:
            finding.owner.take(finding.transaction)  # before the first await, so that it is sent no more
        for finding in findings:
            self.budget.spent(finding.cost)
        crash_point("after-inclusion", [finding.transaction.entry.key for finding in findings])
        await self._journal.store([finding.entry for finding in findings])
        for finding in findings:
            finding.owner.conclude(await self._outcome(finding))

    async def _resolve(self, batch: Batch, owners: Sequence[ObservedOwner]) -> None:
        self.observed = batch.block.number
        self.head = max(self.head, self.observed)
        self._is_base_fee_known = False
        waiting = {
            transaction_hash: (owner, transaction)
            for owner in owners
            for transaction in owner.under_way()
            for transaction_hash in transaction.entry.hashes
        }
        if not waiting:
            return
        try:
            receipts = await self._node.receipts(batch.block.number)
        except ChainError as error:  # the transactions are looked into later, each by its hash
            _log.warning("receipts_unavailable", block=batch.block.number, error=str(error))
            receipts = []
        findings = []
        for receipt in receipts:
            owner, transaction = waiting.get(TxHash(receipt["transactionHash"]), (None, None))
            if owner is None or transaction is None or receipt["blockHash"] != batch.block.hash:
                continue  # with another hash the block has been replaced meanwhile; the pump will say so
            if transaction in owner.under_way():  # not settled while the receipts were on their way
                findings.append(Found(owner, transaction, receipt, batch.block))
        if findings:
            await self.settle(findings)
        await self._examine_due(owners)

    async def _examine_due(self, owners: Sequence[ObservedOwner]) -> None:
        async with anyio.create_task_group() as tasks:
            for owner in owners:
                due = [
                    transaction.entry.key for transaction in owner.under_way() if self._is_due(transaction)
                ]
                if due:
                    tasks.start_soon(owner.examine, due)

    def _is_due(self, transaction: OpenTransaction) -> bool:
        if transaction.is_fresh:
            return False
        return transaction.examined is None or self.head - transaction.examined >= self.patience

    async def _retract(self, retracted: Retracted, owners: Sequence[ObservedOwner]) -> None:
        reopened = await self._journal.reopen([block.hash for block in retracted.blocks])
        self._is_base_fee_known = False
        self.observed = self.head = min(block.number for block in retracted.blocks) - 1
        for owner in owners:
            mine = [entry for entry in reopened if entry.sender == owner.address]
            if mine:
                await owner.resume(mine)

    async def _outcome(self, finding: Found) -> Outcome:
        return Outcome(
            key=finding.transaction.entry.key,
            status=OutcomeStatus.INCLUDED if finding.succeeded else OutcomeStatus.REVERTED,
            transaction=TxHash(finding.receipt["transactionHash"]),
            block=finding.block,
            gas_used=int(finding.receipt["gasUsed"], 16),
            reason=b"" if finding.succeeded else await self._revert_reason(finding),
        )

    async def _revert_reason(self, finding: Found) -> bytes | str:
        """Receipts have no reason, so the call is tried again on the newest state, which may have changed."""
        call = finding.transaction.call
        try:
            await self._node.estimate_gas(
                {
                    "from": finding.owner.address,
                    "to": call["to"],
                    "data": call["data"],
                    "value": call["value"],
                }
            )
        except ChainError as error:
            return revert_data(error) or str(error)
        return f"The call reverted with {call['gas']} gas, and would not now; a higher gas limit may help."
