# SPDX-License-Identifier: Apache-2.0
"""Follows all tasks of a factory, or one, as somebody sees who takes no part: by the chain's events, and what the store has.

Told is what the newest block says, not only what is final: an onlooker risks nothing, and a block that leaves the
chain takes back what it said.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import anyio
import anyio.abc
import anyio.to_thread

from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.runtime.chronicle import Chronicle, TaskFilter
from bcfl.chain.errors import ConnectionLost
from bcfl.chain.node import Node
from bcfl.chain.pump import BlockPump
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level, Retracted
from bcfl.contracts.errors import MalformedReport, MalformedSpecification
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, ContentId
from bcfl.errors import ChainError, StorageError
from bcfl.scenarios.following.gas import spent_on
from bcfl.scenarios.following.watched import Watched

__all__ = ("FactoryWatch", "Watching")

_READERS = 4
_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 300.0
_DOUBLINGS = 6  # then it is the longest; and no number becomes too large in weeks
_TRIES = 3  # for receipts: a node may not have those of long ago
_LARGEST_REPORT = 1 << 22
"""Bytes; with a thousand members one has about a tenth. Whoever looks on keeps many, also those of strangers."""


@dataclass(frozen=True, kw_only=True)
class Watching:
    """What is watched: tasks that ``factory`` made in ``first_block`` or later, or only ``task``."""

    factory: Address
    task: Address | None = None
    first_block: int = 0
    confirmations: int = 0


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Something that the store should have; ``round`` None: the task's specification."""

    task: Address
    content: ContentId
    round: int | None = None
    tries: int = 0


class FactoryWatch:
    """Keeps ``tasks`` as they are after the newest block; ``run`` is its task.

    Args:
        node: of the chain; reconnected where it is lost.
        retrieval: from the store in which specifications and reports are.
        what: is watched.

    Attributes:
        tasks: by address, in the order in which they were made.
        head: the newest block; None before the first.
    """

    def __init__(self, *, node: Node, retrieval: Retrieval, what: Watching) -> None:
        self.tasks: dict[Address, Watched] = {}
        self.head: BlockRef | None = None
        self._node = node
        self._retrieval = retrieval
        self._what = what
        self._chronicles: dict[Address, Chronicle] = {}
        self._pump = BlockPump(
            node=node,
            addresses=[what.factory],
            decoder=decode_log,
            start=what.first_block,
            confirmations=what.confirmations,
            reconnect=ReconnectPolicy(),
        )
        self._contents, self._contents_wanted = anyio.create_memory_object_stream[_Wanted](float("inf"))
        self._asked: set[tuple[Address, ContentId]] = set()
        self._blocks: deque[tuple[Address, int]] = deque()
        self._counted: dict[Address, int] = {}
        self._blocks_wait = anyio.Event()
        self._news = anyio.Event()
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def news(self) -> anyio.Event:
        """Set at the next change, or when time passes on the chain; to be taken before one looks, and waited for afterwards."""
        return self._news

    async def level(self) -> None:
        """Return when all blocks up to the newest were read."""
        await self._pump.settled(await self._node.block_number())

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            ChainError: the node stays away, or serves another chain.
        """
        async with anyio.create_task_group() as group, self._contents, self._contents_wanted:
            self._group = group
            for _ in range(_READERS):
                group.start_soon(self._read_contents)
            group.start_soon(self._read_gas)
            await self._pump.run(self._take)

    async def _take(self, delivery: Delivery) -> None:
        if isinstance(delivery, Retracted):
            self._retract(delivery)
        elif delivery.level is Level.FINAL:
            self._finalise(delivery)
        else:
            self._see(delivery)
        self._changed()

    def _see(self, batch: Batch) -> None:
        if self.head is None or batch.block.number > self.head.number:
            self.head = batch.block
        made = [event for event in batch.events if self._is_new(event)]
        for event in made:
            wanted = TaskFilter(factory=self._what.factory, task=event.task)
            self._chronicles[event.task] = Chronicle(wanted)
        for task, chronicle in self._chronicles.items():
            before = chronicle.seen
            chronicle.apply(batch)
            state = chronicle.seen
            if state is None or state is before:
                continue
            created = next((event for event in made if event.task == task), None)
            if created is not None:
                self.tasks[task] = Watched.made(created, state)
                self._pump.watch(task, from_block=batch.block.number)
                self._want(_Wanted(task=task, content=state.config.specification))
            own = [event for event in batch.events if event.origin.address == task]
            self.tasks[task] = self.tasks[task].after(state, own)
            self._want_reports(task, own)

    def _is_new(self, event: e.Event) -> bool:
        return (
            isinstance(event, e.TaskCreated)
            and event.origin.address == self._what.factory
            and self._what.task in {None, event.task}
            and event.task not in self._chronicles
        )

    def _retract(self, retracted: Retracted) -> None:
        gone = {block.hash for block in retracted.blocks}
        if self.head is not None and self.head.hash in gone:
            self.head = None  # the next block is the newest, whatever its number
        for task, chronicle in list(self._chronicles.items()):
            chronicle.apply(retracted)
            if chronicle.seen is None:
                del self._chronicles[task]
                if self.tasks.pop(task, None) is not None:
                    self._pump.unwatch(task)
                    self._asked = {asked for asked in self._asked if asked[0] != task}
            elif task in self.tasks:
                self.tasks[task] = self.tasks[task].without(chronicle.seen, gone)

    def _finalise(self, batch: Batch) -> None:
        for chronicle in self._chronicles.values():
            chronicle.apply(batch)
        number = batch.block.number
        for task in {event.origin.address for event in batch.events} & self.tasks.keys():
            if self._counted.get(task, -1) < number:  # a block may be delivered again
                self._counted[task] = number
                self._blocks.append((task, number))
                self._blocks_wait.set()

    def _want_reports(self, task: Address, events: Iterable[e.Event]) -> None:
        for event in events:
            if isinstance(event, e.EvaluationSubmitted):
                self._want(_Wanted(task=task, content=event.report, round=event.round))

    def _want(self, wanted: _Wanted) -> None:
        if wanted.tries or (wanted.task, wanted.content) not in self._asked:
            self._asked.add((wanted.task, wanted.content))
            self._contents.send_nowait(wanted)

    async def _read_contents(self) -> None:
        async with self._contents_wanted.clone() as contents:
            async for wanted in contents:
                try:
                    if not await self._read(wanted):  # its block left the chain, and may come again
                        self._asked.discard((wanted.task, wanted.content))
                except (StorageError, MalformedReport, MalformedSpecification) as error:
                    self._absent(wanted)
                    if isinstance(error, StorageError) and self._group is not None:
                        self._group.start_soon(self._again, wanted)
                self._changed()

    async def _again(self, wanted: _Wanted) -> None:
        """Ask once more, later each time: a store may be away, or get what it has not."""
        await anyio.sleep(min(_PAUSE_S * 2 ** min(wanted.tries, _DOUBLINGS), _LONGEST_PAUSE_S))
        self._want(dataclasses.replace(wanted, tries=wanted.tries + 1))

    async def _read(self, wanted: _Wanted) -> bool:
        """Fetch it; False where nobody needs it any more."""
        if wanted.task not in self.tasks or (wanted.round is not None and not self._stands(wanted)):
            return False
        if wanted.round is None:
            specification = await self._retrieval.specification(wanted.content)
            if wanted.task not in self.tasks:
                return False
            self.tasks[wanted.task] = dataclasses.replace(
                self.tasks[wanted.task], specification=specification
            )
            return True
        data = await self._retrieval.content(wanted.content, max_bytes=_LARGEST_REPORT)
        report = await anyio.to_thread.run_sync(EvaluationReport.decode, data)
        if report.round != wanted.round:
            raise MalformedReport("It is the report of another round.")
        if wanted.task not in self.tasks or not self._stands(wanted):
            return False
        self.tasks[wanted.task] = self.tasks[wanted.task].reported(wanted.content, report)
        return True

    def _stands(self, wanted: _Wanted) -> bool:
        """Whether that round still has this report; a reorganisation may have given it another."""
        record = self.tasks[wanted.task].state.rounds.get(wanted.round or 0)
        return isinstance(record, CrowdRound) and record.report == wanted.content

    def _absent(self, wanted: _Wanted) -> None:
        watched = self.tasks.get(wanted.task)
        if watched is not None and wanted.round is not None:
            self.tasks[wanted.task] = dataclasses.replace(watched, missing=watched.missing | {wanted.content})

    async def _read_gas(self) -> None:
        tries = 0
        while True:
            await self._blocks_wait.wait()
            while self._blocks:
                task, number = self._blocks[0]
                try:
                    receipts = await self._node.receipts(number)
                except ChainError as error:  # the pump says whether the node stays away
                    tries += not isinstance(error, ConnectionLost)
                    if tries < _TRIES:
                        await anyio.sleep(_PAUSE_S)
                        continue
                    receipts = []
                tries = 0
                self._blocks.popleft()
                watched = self.tasks.get(task)
                if watched is not None:
                    for spent in spent_on(watched.state, watched.evaluators, receipts):
                        watched = watched.spent(spent.role, spent.gas)
                    self.tasks[task] = watched
                    self._changed()
            self._blocks_wait = anyio.Event()

    def _changed(self) -> None:
        self._news.set()
        self._news = anyio.Event()
