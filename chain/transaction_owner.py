# SPDX-License-Identifier: Apache-2.0
"""The one task that signs and sends for a key.

Everything that touches a key's nonce runs in its owner's task, one job after the other, so there is no lock
and a caller that is cancelled leaves nothing half done. The order of one intent::

    estimate → fees → nonce and signature, without an await between → outbox → node → verdict

A refused estimate therefore uses no nonce, and what the node has seen is always in the outbox. What became
of it comes from the block pump (``InclusionWatch``), never from waiting for a receipt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import anyio
import structlog
from anyio.abc import TaskStatus

from bcfl.chain import fees, filler
from bcfl.chain.asking import asked, estimated_gas
from bcfl.chain.crash_point import crash_point
from bcfl.chain.dispatch import Dispatch, Parcel
from bcfl.chain.errors import DayBudgetReached, FeeCapReached, JournalUnwritable
from bcfl.chain.fees import FeePolicy
from bcfl.chain.inclusion import Found, InclusionWatch, OpenTransaction
from bcfl.chain.intents import Intent, OnOutcome, Outcome, OutcomeStatus, TransactionNode
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer, decode_transaction
from bcfl.chain.outbox import ActionKey, OutboxEntry, OutboxStatus
from bcfl.chain.rpc_errors import Verdict, classify, revert_data
from bcfl.chain.work_queue import WorkQueue
from bcfl.contracts.delivery import Delivery
from bcfl.contracts.ids import Address, TxHash
from bcfl.errors import ChainError

__all__ = ("MOST_GAS", "TransactionOwner")

_log = structlog.get_logger(__name__)
MOST_GAS = 16_777_216
"""Of a transaction, EIP-7825: nodes refuse a higher limit, whatever of it would be used."""
_ATTEMPTS = 6  # to get one transaction accepted: every retry has other fees or another nonce


class TransactionOwner:
    """Signs, sends and follows the transactions of one key; ``run`` is its task.

    Args:
        node: where transactions go.
        signer: the key.
        journal: whose outbox holds what was signed.
        dispatch: when signed transactions go out.
        fee_policy: what it may pay and how long it waits.
        on_outcome: told of every intent's end; must return at once.
        watch: shared by the owners of a process; None for an owner that is alone.
        order: the owner's place in the order of a gathered release.
    """

    def __init__(
        self,
        *,
        node: TransactionNode,
        signer: Signer,
        journal: Journal,
        dispatch: Dispatch,
        fee_policy: FeePolicy,
        on_outcome: OnOutcome,
        watch: InclusionWatch | None = None,
        order: int = 0,
    ) -> None:
        self.address: Address = signer.address
        self._node = node
        self._signer = signer
        self._journal = journal
        self._dispatch = dispatch
        self._policy = fee_policy
        self._on_outcome = on_outcome
        self._watch = watch or InclusionWatch(node=node, journal=journal, policy=fee_policy)
        self._order = order
        self._open: dict[ActionKey, OpenTransaction] = {}
        self._concluding = 0
        self._next_nonce: int | None = None
        self._gap: tuple[int, int] | None = (
            None  # the nonce that nobody has, and the head when that was seen first
        )
        self._queue = WorkQueue(f"The transaction owner of {self.address}")

    @property
    def pending(self) -> int:
        """Transactions signed or sent whose outcome has not been reported."""
        return len(self._open) + self._concluding

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Take up what the journal has open for the key, then work until cancelled.

        Raises:
            JournalUnwritable: nothing may be sent that is not durable.
        """
        await self._queue.run(self._recover, task_status=task_status)

    async def submit(self, intent: Intent) -> TxHash | None:
        """Sign and send an intent once; doing it again with the same key is harmless.

        Returns when the transaction is in the outbox and, with immediate dispatch, the node has answered.

        Returns:
            The hash of the transaction that carries the key, this one or one from before; None if there is
            none because the contract, the node or the fee cap refused (the outcome tells why).

        Raises:
            OwnerStopped: the owner's task has ended.
        """
        return await self._queue.perform(lambda: self._submit(intent))

    async def observe(self, delivery: Delivery) -> None:
        """Take in what the block pump delivered, where the owner is alone; a pool does it for its owners."""
        await self._watch.observe(delivery, (self,))

    def under_way(self) -> Sequence[OpenTransaction]:
        """Its transactions that are signed or sent, oldest first."""
        return tuple(self._open.values())

    def take(self, transaction: OpenTransaction) -> None:
        """Stop working on a transaction that was found in a block; ``conclude`` follows."""
        if self._open.pop(transaction.entry.key, None) is not None:
            self._concluding += 1

    def conclude(self, outcome: Outcome) -> None:
        """Report the outcome of a transaction taken before."""
        self._concluding -= 1
        if not filler.is_filler(outcome.key):
            self._on_outcome(outcome)

    async def resume(self, entries: Sequence[OutboxEntry]) -> None:
        """Send transactions again, byte for byte, that a reorganisation took off the chain."""
        for entry in entries:
            self._open[entry.key] = self._opened(entry)
        await self._queue.perform(lambda: self._hand_over_all([entry.key for entry in entries]))

    async def examine(self, keys: Sequence[ActionKey]) -> None:
        """Look into transactions that have waited: included unseen, lost, priced out, or overtaken."""
        await self._queue.perform(lambda: self._examine_all(keys))

    async def _recover(self) -> None:
        for entry in await self._journal.open_transactions(self.address):
            # The process before this one may have sent it, so it is not fresh.
            self._open[entry.key] = self._opened(dataclasses.replace(entry, status=OutboxStatus.SENT))
        if not self._open:
            return
        await self._journal.store([opened.entry for opened in self._open.values()])
        await asked(self._watch.base_fee)
        used = await asked(lambda: self._node.nonce(self.address, "latest"))
        for opened in self.under_way():
            opened.since = self._watch.head
            if used <= opened.entry.nonce:  # not in a block: if the node has it still, it will say so
                await self._hand_over(opened)

    async def _submit(self, intent: Intent) -> TxHash | None:
        opened = self._open.get(intent.key)
        entry = opened.entry if opened is not None else await self._journal.transaction(intent.key)
        if entry is not None and entry.status is not OutboxStatus.FAILED:
            return entry.hash
        call = {
            "chainId": self._node.chain_id,
            "to": intent.to,
            "value": intent.value,
            "data": intent.data,
        }
        if not await self._price(intent.key, call, gas=intent.gas, spare=intent.spare_gas):
            return None
        if self._next_nonce is None and not await self._learn_nonce(intent.key):
            return None
        nonce = self._next_nonce or 0
        self._next_nonce = nonce + 1
        signed = self._signed(intent.key, {**call, "nonce": nonce})
        crash_point("after-sign", [intent.key])
        self._open[intent.key] = signed
        await self._journal.store([signed.entry])
        crash_point("after-outbox", [intent.key])
        await self._hand_over(signed)
        still = self._open.get(intent.key)
        if still is not None:
            return still.entry.hash
        stored = await self._journal.transaction(intent.key)
        return stored.hash if stored is not None and stored.status is not OutboxStatus.FAILED else None

    async def _price(self, key: ActionKey, call: dict[str, Any], *, gas: int | None, spare: int = 0) -> bool:
        """Add gas and fees to the call; False, with the outcome reported, where that is refused."""
        request = {"from": self.address, "to": call["to"], "value": call["value"], "data": call["data"]}
        try:
            if gas is None:
                estimate = await estimated_gas(self._node, request, ahead=self._policy.asks_ahead)
                wanted = estimate + estimate * self._policy.gas_margin_percent // 100 + spare
                gas = min(wanted, max(estimate, MOST_GAS))
            offer = fees.initial(await asked(self._watch.base_fee), self._policy.tip, self._policy.cap)
            await self._check_budget(gas * offer.max_fee)
        except ChainError as error:
            reverted = (
                not isinstance(error, FeeCapReached | DayBudgetReached)
                and classify(error) is Verdict.REVERTED
            )
            self._report(
                key,
                OutcomeStatus.REVERTED if reverted else OutcomeStatus.FAILED,
                (revert_data(error) if reverted else b"") or str(error),
            )
            return False
        call.update(gas=gas, **offer.fields)
        return True

    async def _check_budget(self, more: int) -> None:
        await self._watch.budget.check(more + sum(opened.gas_cost for opened in self._open.values()))

    async def _learn_nonce(self, key: ActionKey) -> bool:
        try:
            pending = await asked(lambda: self._node.nonce(self.address, "pending"))
        except ChainError as error:
            self._report(key, OutcomeStatus.FAILED, str(error))
            return False
        self._next_nonce = max([pending, *(opened.entry.nonce + 1 for opened in self._open.values())])
        return True

    def _signed(
        self, key: ActionKey, call: dict[str, Any], *, replaced: tuple[TxHash, ...] = ()
    ) -> OpenTransaction:
        raw, transaction_hash = self._signer.sign_transaction(call)
        entry = OutboxEntry(
            key=key,
            sender=self.address,
            nonce=call["nonce"],
            raw=raw,
            hash=transaction_hash,
            replaced=replaced,
        )
        return OpenTransaction(entry=entry, call=call, since=self._watch.head, examined=self._watch.head)

    def _opened(self, entry: OutboxEntry) -> OpenTransaction:
        return OpenTransaction(
            entry=entry, call=decode_transaction(entry.raw), since=self._watch.head, examined=None
        )

    async def _hand_over_all(self, keys: Sequence[ActionKey]) -> None:
        for key in keys:
            opened = self._open.get(key)
            if opened is not None:
                await self._hand_over(opened)

    async def _hand_over(self, opened: OpenTransaction) -> None:
        parcel = Parcel(
            owner=self._order,
            nonce=opened.entry.nonce,
            key=opened.entry.key,
            send=self._release,
        )
        if not self._dispatch.hold(parcel):
            await self._send(opened)

    async def _release(self, key: ActionKey) -> None:
        async def send() -> None:
            opened = self._open.get(key)
            if opened is not None:
                await self._send(opened)

        await self._queue.perform(send)

    async def _send(self, opened: OpenTransaction) -> None:
        """Hand the bytes to the node, with other fees or another nonce where it wants that."""
        verdict: Verdict | None = None
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                await self._node.send_raw(opened.entry.raw)
            except ChainError as error:
                verdict, reason = classify(error), str(error)
            else:
                verdict = None
            if not self._is_open(opened):  # found in a block while the node answered
                return
            if verdict in (None, Verdict.ALREADY_KNOWN):
                crash_point("after-send", [opened.entry.key])
            if verdict in (None, Verdict.ALREADY_KNOWN, Verdict.TRANSIENT, Verdict.NONCE_TOO_HIGH):
                self._mark_sent(opened)
                return
            if verdict is Verdict.NONCE_TOO_LOW:
                if not opened.is_fresh or not await self._renumber_from_chain(opened):
                    self._mark_sent(opened)  # the next look into it tells who has the nonce
                    return
            elif verdict in (Verdict.UNDERPRICED, Verdict.FEE_TOO_LOW):
                if not await self._raise_offer(opened):
                    return
            else:
                break
        _log.warning("transaction_refused", key=opened.entry.key, verdict=verdict, reason=reason)
        if opened.is_fresh:
            await self._give_up(opened, reason)

    def _mark_sent(self, opened: OpenTransaction) -> None:
        opened.since = opened.examined = self._watch.head
        if opened.is_fresh:
            opened.entry = dataclasses.replace(opened.entry, status=OutboxStatus.SENT)
            self._journal.store_later([opened.entry])  # a flush for each would double the time of a release

    async def _raise_offer(self, opened: OpenTransaction) -> bool:
        """Sign the same nonce again with higher fees; False where the cap or the node does not allow it."""
        try:
            base_fee = await self._watch.base_fee(refresh=True)
            offer = fees.bump(opened.fees, base_fee, cap=self._policy.cap)
            await self._check_budget(opened.call["gas"] * (offer.max_fee - opened.fees.max_fee))
        except ChainError as error:
            _log.warning("offer_not_raised", key=opened.entry.key, reason=str(error))
            if opened.is_fresh and self._is_open(opened):
                await self._give_up(opened, str(error))
            return False
        if not self._is_open(opened):
            return False
        opened.call.update(offer.fields)
        # The node took the old bytes only if they were sent, but then they may still be mined.
        replaced = opened.entry.replaced if opened.is_fresh else (*opened.entry.replaced, opened.entry.hash)
        signed = self._signed(opened.entry.key, opened.call, replaced=replaced)
        opened.entry = dataclasses.replace(signed.entry, status=opened.entry.status)
        await self._journal.store([opened.entry])
        return self._is_open(opened)

    async def _give_up(self, opened: OpenTransaction, reason: bytes | str) -> None:
        """The node will not take it: the nonce goes back, and those signed after it move up."""
        self._open.pop(opened.entry.key)
        await self._journal.store([dataclasses.replace(opened.entry, status=OutboxStatus.FAILED)])
        await self._renumber(opened.entry.nonce)
        self._report(opened.entry.key, OutcomeStatus.FAILED, reason)

    async def _renumber_from_chain(self, opened: OpenTransaction) -> bool:
        """Give a fresh transaction the nonce that the chain expects; False where that cannot be told now."""
        try:
            if await self._receipt(opened) is not None:
                return False
            start = await self._node.nonce(self.address, "pending")
        except ChainError:
            return False
        sent = [other.entry.nonce + 1 for other in self._open.values() if not other.is_fresh]
        await self._renumber(max([start, *sent]))
        return True

    async def _renumber(self, start: int) -> None:
        """Sign all fresh transactions again, in their order, with nonces from ``start``."""
        fresh = sorted(
            (opened for opened in self._open.values() if opened.is_fresh),
            key=lambda opened: opened.entry.nonce,
        )
        for nonce, opened in enumerate(fresh, start):
            opened.call["nonce"] = nonce
            opened.entry = self._signed(opened.entry.key, opened.call, replaced=opened.entry.replaced).entry
        self._next_nonce = start + len(fresh)
        await self._journal.store([opened.entry for opened in fresh])

    async def _examine_all(self, keys: Sequence[ActionKey]) -> None:
        try:
            used = await self._node.nonce(self.address, "latest")
            await self._fill_gap(used)
        except JournalUnwritable:
            raise
        except ChainError as error:  # the node could not answer; the next look comes with the next block
            _log.warning("examination_failed", address=self.address, error=str(error))
            return
        for key in keys:
            opened = self._open.get(key)
            if opened is None or opened.is_fresh:
                continue
            try:
                await self._examine(opened, used)
            except JournalUnwritable:
                raise
            except ChainError as error:
                _log.warning("examination_failed", key=key, error=str(error))

    async def _examine(self, opened: OpenTransaction, used: int) -> None:
        receipt = await self._receipt(opened)
        known = receipt is not None or await self._node.transaction(opened.entry.hash) is not None
        base_fee = await self._watch.base_fee()
        if not self._is_open(opened):
            return
        opened.examined = self._watch.head
        if receipt is not None:
            # A block that the pump has not delivered yet is left to the pump, which can also retract it.
            if int(receipt["blockNumber"], 16) <= self._watch.observed:
                block = (await self._node.block(receipt["blockHash"])).ref
                if self._is_open(opened):
                    await self._watch.settle([Found(self, opened, receipt, block)])
            return
        if used > opened.entry.nonce:
            # Seen twice, some blocks apart, so that a reorganisation in progress does not look like it.
            if opened.nonce_taken:
                await self._sign_anew(opened, used)
            opened.nonce_taken = True
            return
        opened.nonce_taken = False
        waited = self._watch.head - opened.since
        patience = self._policy.patience
        is_next = opened.entry.nonce == used
        if fees.is_stuck(opened.fees, base_fee, waited=waited, patience=patience, is_next=is_next):
            if await self._raise_offer(opened):
                await self._hand_over(opened)
        elif not known:
            _log.info("transaction_lost", key=opened.entry.key, transaction=opened.entry.hash)
            await self._hand_over(opened)

    async def _fill_gap(self, used: int) -> None:
        """Spend a nonce on nothing that neither the owner nor the node's pool has and that all others wait for."""
        lost = filler.missing(used, [opened.entry.nonce for opened in self._open.values()])
        if not lost:
            self._gap = None
            return
        if self._gap is None or self._gap[0] != used:
            self._gap = (used, self._watch.head)
        # Seen some blocks apart, so that a reorganisation that the pump has not told of yet does not look like it.
        if self._watch.head - self._gap[1] < self._policy.patience:
            return
        if await self._node.nonce(self.address, "pending") > used:
            return  # what was superseded is in the pool, or another program's is: it goes first
        offer = fees.initial(await self._watch.base_fee(), self._policy.tip, self._policy.cap)
        for nonce in lost:
            call = filler.call(self.address, nonce, self._node.chain_id, offer)
            # Where an account has code, or the chain counts its bytes too, a transfer takes more.
            request = {key: call[key] for key in ("to", "value", "data")}
            gas = await estimated_gas(
                self._node, {"from": self.address, **request}, ahead=self._policy.asks_ahead
            )
            call["gas"] = max(call["gas"], gas)
            await self._check_budget(call["gas"] * offer.max_fee)
            _log.warning("nonce_filled", address=self.address, nonce=nonce)
            signed = self._signed(filler.key(self.address, nonce), call)
            # Never fresh: it is for this nonce and no other.
            signed.entry = dataclasses.replace(signed.entry, status=OutboxStatus.SENT)
            self._open[signed.entry.key] = signed
            await self._journal.store([signed.entry])
            await self._hand_over(signed)

    async def _sign_anew(self, opened: OpenTransaction, used: int) -> None:
        """A transaction from elsewhere has the nonce: this one can never be mined, its call still can."""
        key = opened.entry.key
        del self._open[key]
        await self._journal.store([dataclasses.replace(opened.entry, status=OutboxStatus.FAILED)])
        if filler.is_filler(key):
            return
        self._report(key, OutcomeStatus.OVERTAKEN, "another transaction of the key has its nonce")
        call = dict(opened.call)
        if not await self._price(key, call, gas=None):  # the contract refuses what has happened meanwhile
            return
        nonce = max([used, *(other.entry.nonce + 1 for other in self._open.values()), self._next_nonce or 0])
        self._next_nonce = nonce + 1
        replaced = (*opened.entry.replaced, opened.entry.hash)
        signed = self._signed(key, {**call, "nonce": nonce}, replaced=replaced)
        self._open[key] = signed
        await self._journal.store([signed.entry])
        await self._hand_over(signed)

    async def _receipt(self, opened: OpenTransaction) -> dict[str, Any] | None:
        for transaction_hash in opened.entry.hashes:
            receipt = await self._node.transaction_receipt(transaction_hash)
            if receipt is not None:
                return receipt
        return None

    def _is_open(self, opened: OpenTransaction) -> bool:
        return self._open.get(opened.entry.key) is opened

    def _report(self, key: ActionKey, status: OutcomeStatus, reason: bytes | str) -> None:
        self._on_outcome(Outcome(key=key, status=status, reason=reason))
