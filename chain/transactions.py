# SPDX-License-Identifier: Apache-2.0
"""Sending transactions: the owners of one process as a pool, and the names that callers need.

::

    agent ── submit(Intent) ──▶ TransactionOwner ── hold ──▶ Dispatch ── send ──▶ node
      ▲                               ▲    └─ Journal (outbox)
      └────────── Outcome ────────────┴── InclusionWatch ◀── observe(Delivery) ── block pump
"""

from __future__ import annotations

import anyio
from anyio.abc import TaskGroup, TaskStatus

from bcfl.chain.dispatch import Dispatch, Gathered, Immediate
from bcfl.chain.fees import FeePolicy
from bcfl.chain.inclusion import InclusionWatch
from bcfl.chain.intents import Intent, OnOutcome, Outcome, OutcomeStatus, TransactionNode
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer
from bcfl.chain.transaction_owner import TransactionOwner
from bcfl.contracts.delivery import Delivery
from bcfl.contracts.ids import Address

__all__ = (
    "Dispatch",
    "Gathered",
    "Immediate",
    "Intent",
    "OnOutcome",
    "Outcome",
    "OutcomeStatus",
    "OwnerPool",
    "TransactionNode",
    "TransactionOwner",
)


class OwnerPool:
    """The transaction owners of one process, one a key, with one look at each block for all.

    Args:
        node: where transactions go.
        journal: of the process.
        dispatch: when signed transactions go out; shared by all owners.
        fee_policy: of all owners.
        on_outcome: told of outcomes of agents that gave no callback of their own.
    """

    def __init__(
        self,
        *,
        node: TransactionNode,
        journal: Journal,
        dispatch: Dispatch,
        fee_policy: FeePolicy,
        on_outcome: OnOutcome,
    ) -> None:
        self._node = node
        self._journal = journal
        self._dispatch = dispatch
        self._policy = fee_policy
        self._on_outcome = on_outcome
        self._watch = InclusionWatch(node=node, journal=journal, policy=fee_policy)
        self._owners: dict[Address, TransactionOwner] = {}
        self._routes: dict[str, OnOutcome] = {}
        self._tasks: TaskGroup | None = None

    @property
    def pending(self) -> int:
        """Transactions signed or sent whose outcome has not been reported."""
        return sum(owner.pending for owner in self._owners.values())

    @property
    def unsent(self) -> int:
        """Transactions that wait for a gathered release."""
        return self._dispatch.unsent

    def owner(self, signer: Signer, agent_name: str, on_outcome: OnOutcome | None = None) -> TransactionOwner:
        """The owner of a key; made at the first call, which also fixes its place in a gathered release.

        Args:
            signer: the key.
            agent_name: the ``agent`` of the intents it will submit; several agents may share a key.
            on_outcome: told of that agent's outcomes; an agent that is started again gives its new one.
        """
        if on_outcome is not None:
            self._routes[agent_name] = on_outcome
        known = self._owners.get(signer.address)
        if known is not None:
            return known
        owner = TransactionOwner(
            node=self._node,
            signer=signer,
            journal=self._journal,
            dispatch=self._dispatch,
            fee_policy=self._policy,
            on_outcome=self._report,
            watch=self._watch,
            order=len(self._owners),
        )
        self._owners[signer.address] = owner
        if self._tasks is not None:
            self._tasks.start_soon(owner.run, name=f"owner of {signer.address}")
        return owner

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run all owners, those of now and those to come, until cancelled; one that fails ends all."""
        await self._reopen()
        async with anyio.create_task_group() as tasks:
            for owner in self._owners.values():
                tasks.start_soon(owner.run, name=f"owner of {owner.address}")
            self._tasks = tasks
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    async def observe(self, delivery: Delivery) -> None:
        """Take in what the block pump delivered; returns when everything it leads to has been done."""
        await self._watch.observe(delivery, tuple(self._owners.values()))

    async def _reopen(self) -> None:
        """Take back what a reorganisation took off the chain while nobody looked: the owners send it again as they start."""
        gone = []
        for number, block_hash in reversed(await self._journal.including_blocks()):
            found = await self._node.find_block(number)
            if found is not None and found.ref.hash == block_hash:
                break  # what it stands on is on the chain too
            gone.append(block_hash)
        if gone:
            await self._journal.reopen(gone)

    def _report(self, outcome: Outcome) -> None:
        self._routes.get(outcome.key.agent, self._on_outcome)(outcome)
