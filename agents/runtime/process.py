# SPDX-License-Identifier: Apache-2.0
"""Composes one operating-system process of agents: one socket, one pump, one chronicle, one owner a key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import anyio

from bcfl.agents.errors import AgentBroken
from bcfl.agents.runtime.activity import Activity, Bell
from bcfl.agents.runtime.chronicle import Chronicle, TaskFilter
from bcfl.agents.runtime.ports import BusyMark, Clock, Observer
from bcfl.agents.runtime.shell import Role, Shell, Submitter
from bcfl.agents.runtime.supervisor import RestartPolicy, supervise
from bcfl.chain.dispatch import Dispatch
from bcfl.chain.fees import FeePolicy
from bcfl.chain.intents import Intent, Outcome
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer
from bcfl.chain.node import Node
from bcfl.chain.pump import BlockPump
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.chain.transactions import OwnerPool
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch, Delivery, Level

__all__ = ("AgentProcess", "ProcessSettings")


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """How a process reads the chain and pays for it.

    Attributes:
        confirmations: depth at which a block is final; 0: at once.
        start_block: the first block to read.
        reconnect: how long a lost node is waited for; None: not at all.
        head_timeout_s: silence after which the node is asked for new blocks.
        fees: what transactions offer.
        restarts: how often an agent may fail.
        absent: told of an agent that has failed too often; True: the others go on without it. None: they do not.
        retry_s: seconds after which an agent looks again when a transaction of its was refused; None: at the next block.
        done: by agent, round and name of its transactions that are on the chain, where the journal does not know them.
    """

    confirmations: int = 0
    start_block: int = 0
    reconnect: ReconnectPolicy | None = None
    head_timeout_s: float = 30.0
    fees: FeePolicy = field(default_factory=FeePolicy)
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    absent: Callable[[Role, AgentBroken], bool] | None = None
    retry_s: float | None = None
    done: Mapping[str, Collection[tuple[int, str]]] = field(default_factory=dict)


class AgentProcess:
    """Agents that share a node, a journal and a chronicle; ``run`` keeps them going until cancelled."""

    def __init__(
        self,
        *,
        node: Node,
        journal: Journal,
        clock: Clock,
        dispatch: Dispatch,
        wanted: TaskFilter,
        observer: Observer,
        busy: BusyMark,
        settings: ProcessSettings,
    ) -> None:
        self.activity = Activity()
        self.chronicle = Chronicle(wanted)
        self.pool = OwnerPool(
            node=node, journal=journal, dispatch=dispatch, fee_policy=settings.fees, on_outcome=lambda _: None
        )
        self.pump = BlockPump(
            node=node,
            addresses=[wanted.factory],
            decoder=decode_log,
            start=settings.start_block,
            confirmations=settings.confirmations,
            head_timeout_s=settings.head_timeout_s,
            reconnect=settings.reconnect,
        )
        self._node = node
        self._journal = journal
        self._forgotten = 1
        self._clock = clock
        self._observer = observer
        self._busy = busy
        self._settings = settings
        self._agents: list[tuple[Role, Signer, Bell]] = []
        self._shells: dict[str, Shell] = {}
        self._listeners: list[Callable[[Delivery], None]] = []

    def add(self, role: Role, signer: Signer) -> None:
        """One more agent; the order of adding is that of a gathered release."""
        bell = Bell(self.activity)
        self._agents.append((role, signer, bell))
        self.pool.owner(signer, role.name, self._outcome)

    def listen(self, listener: Callable[[Delivery], None]) -> None:
        """Call this after each delivery, when the chronicle has it."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Run everything until cancelled.

        Raises:
            ChainError: the node or the journal cannot be used any more.
            AgentBroken: an agent failed too often.
        """
        async with anyio.create_task_group() as group:
            await group.start(self.pool.run)
            group.start_soon(self.pump.run, self._deliver)
            # Agents begin with all of the past known, so that what they do first does not depend on timing.
            with self.activity.under_way():
                await self.pump.settled(await self._node.block_number())
                for role, signer, bell in self._agents:
                    group.start_soon(self._agent, role, signer, bell)

    async def _agent(self, role: Role, signer: Signer, bell: Bell) -> None:
        async def once() -> None:
            shell = Shell(
                role=role,
                owner=_TimedSubmitter(self.pool.owner(signer, role.name), self._busy),
                clock=self._clock,
                activity=self.activity,
                observer=self._observer,
                bell=bell,
                retry_s=self._settings.retry_s,
                done=self._settings.done.get(role.name, ()),
            )
            self._shells[role.name] = shell
            bell.ring()
            await shell.run(self.chronicle)

        try:
            await supervise(role.name, once, activity=self.activity, policy=self._settings.restarts)
        except AgentBroken as error:
            absent = self._settings.absent
            if absent is None or not absent(role, error):
                raise
            bell.muffle()  # to the others it is one who stays away; deadlines go on without it

    async def _deliver(self, delivery: Delivery) -> None:
        self._busy.start()
        try:
            await self._take(delivery)
        finally:
            self._busy.stop()

    async def _take(self, delivery: Delivery) -> None:
        with self.activity.under_way():
            await self.pool.observe(delivery)
            if isinstance(delivery, Batch) and delivery.level is Level.SEEN:
                self._clock.observe(delivery.block)
            known = self.chronicle.seen
            changed = self.chronicle.apply(delivery)
            self._forget()
            task = self.chronicle.seen
            if known is None and task is not None and isinstance(delivery, Batch):
                self.pump.watch(task.address, from_block=delivery.block.number)
            self._observer.delivered(delivery)
            for listener in self._listeners:
                listener(delivery)
            # A task's own first event comes in a batch of its own right after the block that made it: agents look
            # at the task when it is whole, so that what they do does not depend on who was faster.
            whole = task is None or task.deadline
            if whole and (changed or isinstance(delivery, Batch)):
                for _, _, bell in self._agents:
                    bell.ring()

    def _forget(self) -> None:
        """Drop from the journal what is of rounds that no reorganisation can bring back."""
        final = self.chronicle.final
        if final is not None and final.round > self._forgotten:
            self._forgotten = final.round
            self._journal.forget_later(final.address, before=final.round - 1)

    def _outcome(self, outcome: Outcome) -> None:
        shell = self._shells.get(outcome.key.agent)
        if shell is not None:
            shell.outcome(outcome)


class _TimedSubmitter:
    """An owner whose work counts as the chain's."""

    def __init__(self, owner: Submitter, busy: BusyMark) -> None:
        self._owner = owner
        self._busy = busy

    async def submit(self, intent: Intent) -> None:
        self._busy.start()
        try:
            await self._owner.submit(intent)
        finally:
            self._busy.stop()
