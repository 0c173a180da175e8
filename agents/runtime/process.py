# SPDX-License-Identifier: Apache-2.0
"""Composes one operating-system process of agents: one socket, one pump, one owner a key, and the tasks that they take part in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from statistics import median

import anyio
import anyio.abc

from bcfl.agents.errors import AgentBroken, ModelDisagreement
from bcfl.agents.runtime.activity import Activity
from bcfl.agents.runtime.bookmarking import Bookmarking
from bcfl.agents.runtime.chronicle import Chronicle
from bcfl.agents.runtime.current_task import acting_in
from bcfl.agents.runtime.participation import Participation, Seat
from bcfl.agents.runtime.ports import BusyMark, Clock, Lists, Observer
from bcfl.agents.runtime.shell import Role, Shell, Submitter
from bcfl.agents.runtime.supervisor import RestartPolicy, supervise
from bcfl.chain.dispatch import Dispatch
from bcfl.chain.fees import FeePolicy
from bcfl.chain.intents import Intent, Outcome
from bcfl.chain.journal import Journal
from bcfl.chain.node import Node
from bcfl.chain.pump import BlockPump
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.chain.transactions import OwnerPool
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState
from bcfl.errors import AgentError

__all__ = ("AgentProcess", "ProcessSettings")


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """How a process reads the chain and pays for it.

    Attributes:
        confirmations: depth at which a block is final; 0: at once.
        start: the first block to read, or the last one that was read in an earlier life.
        reconnect: how long a lost node is waited for; None: not at all.
        head_timeout_s: silence after which the node is asked for new blocks.
        fees: what transactions offer.
        restarts: how often an agent may fail.
        absent: told of an agent that has failed too often, or whose consortium agreed on another model than it computed; True: the others go on without it. None: they do not.
        bookmark_s: seconds after which it is kept in the journal how far the chain was read, where something was said; None: it never is.
        wanted: which tasks are looked for, for the bookmark.
        kept: what the journal's bookmark has of tasks, where the process starts from it.
        retry_s: seconds after which an agent looks again when a transaction of its was refused; None: at the next block.
        done: by agent, round and name of its transactions that are on the chain, where the journal does not know them.
        lists: what the roots of rooted tasks stand for; None: nobody finds out.
    """

    confirmations: int = 0
    start: BlockRef | int = 0
    reconnect: ReconnectPolicy | None = None
    head_timeout_s: float = 30.0
    fees: FeePolicy = field(default_factory=FeePolicy)
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    absent: Callable[[Role, AgentError], bool] | None = None
    bookmark_s: float | None = None
    wanted: str = ""
    kept: Mapping[Address, TaskState] = field(default_factory=dict)
    retry_s: float | None = None
    done: Mapping[str, Collection[tuple[int, str]]] = field(default_factory=dict)
    lists: Lists | None = None


class AgentProcess:
    """Agents that share a node and a journal; ``run`` keeps them going until cancelled."""

    def __init__(
        self,
        *,
        node: Node,
        journal: Journal,
        clock: Clock,
        dispatch: Dispatch,
        factory: Address,
        observer: Observer,
        busy: BusyMark,
        settings: ProcessSettings,
    ) -> None:
        self.activity = Activity()
        self.pool = OwnerPool(
            node=node, journal=journal, dispatch=dispatch, fee_policy=settings.fees, on_outcome=lambda _: None
        )
        self.pump = BlockPump(
            node=node,
            addresses=[factory],
            decoder=decode_log,
            start=settings.start,
            confirmations=settings.confirmations,
            head_timeout_s=settings.head_timeout_s,
            reconnect=settings.reconnect,
        )
        self._node = node
        self._journal = journal
        self._clock = clock
        self._observer = observer
        self._busy = busy
        self._settings = settings
        self._participations: dict[Participation, anyio.CancelScope] = {}
        self._acting: set[Participation] = set()
        self._listeners: list[Callable[[Delivery], None]] = []
        self._group: anyio.abc.TaskGroup | None = None
        self._level = anyio.Event()
        every = settings.bookmark_s
        after = settings.start.number if isinstance(settings.start, BlockRef) else settings.start - 1
        self._bookmarking = (
            None
            if every is None
            else Bookmarking(every, after=after, wanted=settings.wanted, kept=settings.kept)
        )

    def attend(self, participation: Participation, *, from_block: int = 0) -> None:
        """Follow one more task, of which nothing is known yet, or all that was before that block; during a delivery, or before ``run``."""
        self._participations[participation] = anyio.CancelScope()
        if participation.chronicle.seen is not None:
            self.pump.watch(participation.chronicle.seen.address, from_block=from_block)
        self._register(participation)

    def begin(self, participation: Participation) -> None:
        """Have the agents of a task that is followed begin, when its past is known."""
        self._register(participation)
        if self._group is not None:
            self._group.start_soon(self._act, participation)

    def leave(self, participation: Participation) -> None:
        """Have its agents stop, and read of its task no more."""
        self._participations.pop(participation).cancel()
        self._acting.discard(participation)
        for seat in participation.seats:
            seat.bell.muffle()
        if participation.chronicle.seen is not None:
            self.pump.unwatch(participation.chronicle.seen.address)

    async def level(self) -> None:
        """Return when the past is known, of every task that is followed."""
        await self._level.wait()
        await self.pump.settled(self.pump.cursor.number)

    @property
    def under_way(self) -> int:
        """Transactions whose outcome is not known."""
        return self.pool.pending

    @property
    def head(self) -> int | None:
        """The newest block that was read, once the past is known; None until then."""
        return self.pump.cursor.number if self._level.is_set() else None

    @property
    def confirmations(self) -> int:
        """Depth at which a block is final."""
        return self._settings.confirmations

    @property
    def block_time_s(self) -> float:
        """Median time between the newest blocks; 0 where fewer than two are known."""
        times = [block.timestamp for block in self.pump.recent]
        return float(median(b - a for a, b in pairwise(times))) if len(times) > 1 else 0.0

    def listen(self, listener: Callable[[Delivery], None]) -> None:
        """Call this after each delivery, when the chronicles have it."""
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
                self._group = group
                self._level.set()
                for participation in list(self._participations):
                    if participation.seats:
                        await group.start(self._act, participation)

    def _register(self, participation: Participation) -> None:
        for seat in participation.seats:
            self.pool.owner(seat.signer, seat.role.name, self._outcome)

    async def _act(
        self,
        participation: Participation,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        if participation in self._acting or participation not in self._participations:
            task_status.started()  # it has begun by another way, or it was left
            return
        self._acting.add(participation)
        with self._participations[participation]:
            with self.activity.under_way():
                await self.pump.settled(self.pump.cursor.number)
            async with anyio.create_task_group() as group:
                for seat in participation.seats:
                    group.start_soon(self._agent, participation, seat)
                task_status.started()

    async def _agent(self, participation: Participation, seat: Seat) -> None:
        role = seat.role

        async def once() -> None:
            seat.shell = Shell(
                role=role,
                owner=_TimedSubmitter(self.pool.owner(seat.signer, role.name), self._busy),
                clock=self._clock,
                activity=self.activity,
                observer=self._observer,
                bell=seat.bell,
                retry_s=self._settings.retry_s,
                done=self._settings.done.get(role.name, ()),
            )
            seat.bell.ring()
            with acting_in(participation.chronicle):
                await seat.shell.run(participation.chronicle)

        try:
            await supervise(role.name, once, activity=self.activity, policy=self._settings.restarts)
        except (AgentBroken, ModelDisagreement) as error:
            absent = self._settings.absent
            if absent is None or not absent(role, error):
                raise
            seat.bell.muffle()  # to the others it is one who stays away; deadlines go on without it

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
                delivery = await self._with_lists(delivery)
            look = [
                participation
                for participation in self._participations
                if self._learn(participation, delivery)
            ]
            self._observer.delivered(delivery)
            for listener in self._listeners:
                listener(delivery)
            if isinstance(delivery, Batch) and delivery.level is Level.FINAL:
                await self._bookmark(delivery.block)
            for participation in look:
                participation.ring()

    async def _with_lists(self, batch: Batch) -> Batch:
        """The block, with what the lists behind roots say as if it said that itself: once for all of a task's agents."""
        lists = self._settings.lists
        if lists is None or not any(isinstance(x, e.RootCommitted | e.RootRevealed) for x in batch.events):
            return batch
        events = batch.events
        for participation in self._participations:
            chronicle = participation.chronicle
            state = chronicle.seen
            if state is not None:
                own = [x for x in chronicle.unfolded(batch) if x.origin.address == state.address]
                told = await lists.told(state, own)
                told_of = {id(x) for x in own}
                events = (*(x for x in events if id(x) not in told_of), *told)
        return dataclasses.replace(batch, events=tuple(sorted(events, key=lambda x: x.origin.log_index)))

    def _learn(self, participation: Participation, delivery: Delivery) -> bool:
        """Whether its agents should look again."""
        known = participation.chronicle.seen
        look = participation.take(delivery)
        task = participation.chronicle.seen
        if known is None and task is not None and isinstance(delivery, Batch):
            self.pump.watch(task.address, from_block=delivery.block.number)
        over = participation.over_for_good()
        if over is not None and task is not None:  # nothing that was decided there is asked for any more
            self._journal.forget_later(task.address, before=over)
        return look

    async def _bookmark(self, block: BlockRef) -> None:
        """Keep how far everything was read, now and then; not while an address that was added is still followed up."""
        if self._bookmarking is None or self.pump.following_up:
            return
        bookmark = self._bookmarking.due(block, self._finals(), anyio.current_time())
        if bookmark is not None:
            await self._journal.mark(bookmark)
            for participation in self._participations:
                self._put_away(participation.chronicle)
            self._bookmarking.kept(self._finals())

    def _finals(self) -> list[TaskState]:
        chronicles = (one.chronicle for one in self._participations)
        return [chronicle.final for chronicle in chronicles if chronicle.final is not None]

    def _put_away(self, chronicle: Chronicle) -> None:
        """What was kept of its old rounds need not be in memory too."""
        kept = chronicle.final
        if kept is not None:
            read = partial(self._journal.round, kept.address, type(kept))
            chronicle.put_away(kept, read)

    def _outcome(self, outcome: Outcome) -> None:
        for participation in self._participations:
            participation.outcome(outcome)


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
