# SPDX-License-Identifier: Apache-2.0
"""A process that lives: follows a factory, takes part in the tasks that suit its agent, and goes on where it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
import structlog

from bcfl.agents.common.entries import server_optimizer_of
from bcfl.agents.common.folding import memory_named
from bcfl.agents.common.keeper import Keeper
from bcfl.agents.common.services import AgentServices
from bcfl.agents.errors import TaskUnfit
from bcfl.agents.hosting.choice import Choice
from bcfl.agents.hosting.host_events import HostEvent, Joined, Left, Passed
from bcfl.agents.hosting.pins import PinBook, PinningStore
from bcfl.agents.hosting.programs import OpenTask, Program, Self, kind_of
from bcfl.agents.hosting.storekeeper import Storekeeper
from bcfl.agents.runtime.chronicle import Chronicle, TaskFilter
from bcfl.agents.runtime.participation import Participation
from bcfl.agents.runtime.process import AgentProcess
from bcfl.agents.runtime.shell import Role
from bcfl.contracts import events as e
from bcfl.contracts.crowd_state import evaluators_of
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level
from bcfl.contracts.errors import MalformedSpecification
from bcfl.contracts.fold import first_state
from bcfl.contracts.ids import Address
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.errors import BcflError, StorageError
from bcfl.storage.retention import RetentionPolicy

__all__ = ("Earlier", "Host")

_STORE_PAUSE_S = 5.0
_GRACE_S = 5  # a task's own keeper comes first
_BLOCKS_A_STEP = 2  # then one participant after another, so that only one of them pays for what one can do
_LONGEST_STEP_S = 30
_BLOCKS_TO_OPEN = 2  # from the decision to the block that holds it

_log = structlog.stdlib.get_logger("bcfl.agents.hosting")


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What an earlier life knew: the states of its tasks after a final block, and which tasks it looked for."""

    block: BlockRef
    states: Mapping[Address, TaskState]
    wanted: str = ""


class Host:
    """Takes part in tasks of one factory as one agent, until cancelled or, where it was told of one task, until that is over.

    Args:
        process: with the factory; not running yet.
        me: the agent.
        program: what it is in a task.
        choice: which tasks.
        services: what its agents work with.
        factory: of the tasks.
        tell: hears of tasks that it joins, passes and leaves.
        keeps: whether it also moves its tasks on where nobody else does, and takes its own pay.
    """

    def __init__(
        self,
        *,
        process: AgentProcess,
        me: Self,
        program: Program,
        choice: Choice,
        services: AgentServices,
        factory: Address,
        tell: Callable[[HostEvent], None],
        keeps: bool = True,
    ) -> None:
        self._earlier: frozenset[Address] = frozenset()
        self.following: dict[Address, Participation] = {}
        self._process = process
        self._me = me
        self._program = program
        self._choice = choice
        self._services = services
        self._factory = factory
        self._tell = tell
        self._keeps = keeps
        self._pins = PinBook(services.folder)
        self._group: anyio.abc.TaskGroup | None = None
        self._over = anyio.Event()

    @property
    def under_way(self) -> int:
        """Transactions whose outcome is not known."""
        return self._process.under_way

    def tasks(self) -> Iterator[tuple[TaskState, bool]]:
        """The tasks that it follows, as of the newest block, and whether it takes part."""
        for participation in self.following.values():
            if participation.chronicle.seen is not None:
                yield participation.chronicle.seen, bool(participation.seats)

    async def run(self, earlier: Earlier | None, *, from_there: bool = True) -> None:
        """Live.

        Args:
            earlier: what is known from an earlier life; what that followed is followed again, whatever is wanted now.
            from_there: the process starts at its block; False: it reads the past again, since other tasks are wanted now.

        Raises:
            TaskUnfit: the one task that it was told of is not for this agent.
            ChainError: the node or the journal cannot be used any more.
            AgentBroken: an agent failed too often.
        """
        self._process.listen(self._hear)
        async with anyio.create_task_group() as group:
            self._group = group
            self._earlier = frozenset(() if earlier is None else earlier.states)
            if earlier is not None and from_there:
                for task, state in earlier.states.items():
                    chronicle = Chronicle(self._filter(task), state=state, block=earlier.block)
                    self._follow(state, chronicle, earlier.block.number + 1)
            group.start_soon(self._process.run)
            await self._over.wait()
            await self._process.activity.idle()
            group.cancel_scope.cancel()

    def _filter(self, task: Address) -> TaskFilter:
        return TaskFilter(factory=self._factory, task=task)

    def _hear(self, delivery: Delivery) -> None:
        """New tasks, once nothing can undo them, and tasks that are over."""
        if not isinstance(delivery, Batch) or delivery.level is not Level.FINAL:
            return
        for event in delivery.events:
            if isinstance(event, e.TaskCreated) and event.task not in self.following:
                state, block = first_state(event), event.origin.block
                chronicle = Chronicle(self._filter(event.task), state=state, block=block)
                self._follow(state, chronicle, block.number)
        for participation in list(self.following.values()):
            final = participation.chronicle.final
            if final is not None and self._program.over(final, self._me):
                self._leave(participation, final)

    def _follow(self, state: TaskState, chronicle: Chronicle, from_block: int) -> None:
        reason = (
            None
            if self._goes_on(state)
            else self._choice.refuses(state, kind_of(state), deposit=self._program.deposit(state))
        )
        if reason is not None:
            if self._choice.task is None:
                self._tell(Passed(task=state.address, reason=reason))
            return
        # Read from now on, so that it is in the bookmark though the rest takes a while.
        participation = Participation(chronicle, self._process.activity)
        self.following[state.address] = participation
        self._process.attend(participation, from_block=from_block)
        assert self._group is not None  # noqa: S101 - for mypy: run has set it
        self._group.start_soon(self._consider, participation, state)

    def _stop_following(self, participation: Participation, task: Address) -> None:
        del self.following[task]
        self._process.leave(participation)

    def _leave(self, participation: Participation, state: TaskState) -> None:
        account = self._me.signer.address
        mine = [one for one in state.members.values() if one.account == account]
        judges = any(one.account == account for one in evaluators_of(state))
        # It may have taken part in an earlier life, which ended before it could be told.
        if not (participation.seats or mine or judges):
            if state.address == self._choice.task:
                raise TaskUnfit(f"The task {state.address} has ended, and owes {account} nothing.")
            self._stop_following(participation, state.address)
            return
        self._stop_following(participation, state.address)
        self._pins.over(state.address)
        folder = self._services.task_folder(state.address)
        if folder is not None and self._group is not None:
            self._group.start_soon(
                anyio.to_thread.run_sync, partial(shutil.rmtree, folder, ignore_errors=True)
            )
        paid = sum(one.withdrawn for one in mine)
        self._tell(Left(task=state.address, paid=paid))
        if state.address == self._choice.task:
            self._over.set()

    def _refuse(self, participation: Participation, state: TaskState, reason: str) -> None:
        if state.address not in self.following:
            return  # it ended meanwhile
        self._stop_following(participation, state.address)
        if state.address == self._choice.task:
            raise TaskUnfit(f"The task {state.address} is not for this {self._program.role}: {reason}.")
        self._tell(Passed(task=state.address, reason=reason))

    async def _consider(self, participation: Participation, state: TaskState) -> None:
        await self._process.level()
        if state.address not in self.following:
            return  # it is over already
        if self._program.role == Keeper.role and not self._choice.networks:
            # All that a keeper needs is on the chain: no store that is away keeps it from its work.
            self._begin(participation, state.address, [Keeper(name=self._me.name)], title="")
            return
        specification = await self._specification(state)
        if specification is None:
            return
        if isinstance(specification, str):
            self._refuse(participation, state, specification)
            return
        open_task = OpenTask(state=state, specification=specification)
        agents: Sequence[Role] = ()
        try:
            # A stranger's network is built here: not on the event loop, and whatever it does, other tasks go on.
            reason = await anyio.to_thread.run_sync(self._reason, open_task)
            if reason is None:
                agents = self._agents(open_task)
        except Exception as error:  # noqa: BLE001 - as above
            reason = (
                str(error).rstrip(".")
                if isinstance(error, BcflError)
                else f"its network cannot be used ({error!r})"
            )
        if state.address not in self.following:
            return
        if reason is not None:
            self._refuse(participation, state, reason)
            return
        self._begin(participation, state.address, agents, title=specification.title)

    def _reason(self, task: OpenTask) -> str | None:
        """Why not to take part."""
        reason = None
        if not self._goes_on(task.state):
            reason = (
                self._choice.refuses_specification(task.specification)
                or self._choice.limits.refuses(self._program.needs(task.state, task.specification))
                or self._too_hasty(task.state)
            )
        return reason or self._program.refuses(task, self._me)

    def _goes_on(self, state: TaskState) -> bool:
        """Whether an earlier life took part: it is not left because other things are wanted now, since there may be a stake in it."""
        mark = self._begun(state.address)
        account = self._me.signer.address
        bound = account in state.index_of or any(
            one.account == account and one.bond for one in evaluators_of(state)
        )
        return state.address in self._earlier and (bound or (mark is not None and mark.exists()))

    def _begun(self, task: Address) -> Path | None:
        """A file that says that it takes part."""
        folder = self._services.task_folder(task)
        return None if folder is None else folder / "begun"

    def _agents(self, task: OpenTask) -> Sequence[Role]:
        address, specification = task.state.address, task.specification
        pins = self._pins.of(address)
        services = self._services.storing_in(PinningStore(self._services.store, pins))
        services = services.computing_by("lanes" if specification.kernel == "lanes" else "torch")
        agents = self._program.agents(task, self._me, services)
        policy = RetentionPolicy(models=specification.kept_models, updates=specification.kept_updates)
        if policy == RetentionPolicy():
            return agents
        folder = self._services.task_folder(address)
        memory_of = partial(
            memory_named,
            self._services.retrieval,
            specification,
            max_bytes=task.state.config.max_update_size,
        )
        return [
            *agents,
            Storekeeper(
                name=f"{self._me.name}:storekeeper",
                policy=policy,
                store=self._services.store,
                pins=pins,
                others=partial(self._pins.others, address),
                memory_of=memory_of if server_optimizer_of(specification).memories else None,
                mark=None if folder is None else folder / "pruned",
            ),
        ]

    def _begin(
        self, participation: Participation, task: Address, agents: Sequence[Role], *, title: str
    ) -> None:
        begun = self._begun(task)
        if begun is not None:
            begun.parent.mkdir(parents=True, exist_ok=True)
            begun.touch()
        for role in agents:
            participation.add(role, self._me.signer)
        if self._keeps and self._program.role != Keeper.role:
            step_s = min(_LONGEST_STEP_S, max(1, round(_BLOCKS_A_STEP * self._process.block_time_s)))
            own = Keeper(
                name=f"{self._me.name}:keeper",
                account=self._me.signer.address,
                grace_s=_GRACE_S,
                step_s=step_s,
            )
            participation.add(own, self._me.signer)
        self._tell(Joined(task=task, title=title))
        self._process.begin(participation)

    def _too_hasty(self, state: TaskState) -> str | None:
        """Why what is committed could not be opened in time: it is opened when nothing can undo the commitments any more."""
        wait_s = (self._process.confirmations + _BLOCKS_TO_OPEN) * self._process.block_time_s
        reveal_s = state.config.schedule.reveal
        if state.config.commit_reveal and wait_s >= reveal_s and self._program.role in {"trainer", "member"}:
            return (
                f"its reveal phase lasts {reveal_s} s, and with the {self._process.confirmations} confirmations of this network "
                f"opening takes about {wait_s:.0f} s (bcfl networks add NAME --confirmations N)"
            )
        return None

    async def _specification(self, state: TaskState) -> Specification | str | None:
        """The task's specification, or why it cannot be had; a store that does not have it yet is asked again, while the task goes on."""
        while state.address in self.following:
            try:
                return await self._services.retrieval.specification(state.config.specification)
            except MalformedSpecification as error:
                return str(error).rstrip(".")
            except StorageError as error:
                _log.info("specification_unavailable", task=state.address, reason=str(error))
                await anyio.sleep(_STORE_PAUSE_S)
        return None
