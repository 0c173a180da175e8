# SPDX-License-Identifier: Apache-2.0
"""The thin shell around an agent's core: ask what it wants, do each thing once, stop what it no longer wants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import anyio
import anyio.abc
import structlog

from bcfl.agents.runtime.actions import Action, Results, Transact, View, WakeAt, Work
from bcfl.agents.runtime.activity import Activity, Bell
from bcfl.agents.runtime.ports import Clock, Observer
from bcfl.agents.runtime.resting import Resting
from bcfl.agents.runtime.results import RecentResults
from bcfl.chain.intents import Intent, Outcome, OutcomeStatus
from bcfl.chain.outbox import ActionKey
from bcfl.contracts.abi import error_name
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState
from bcfl.storage.errors import StoreUnreachable

__all__ = ("NO_TASK", "Role", "Shell", "Submitter")

NO_TASK = Address("none")
"""The task of an action that comes before there is one."""

_STORE_PATIENCE_S = 120.0
_STORE_PAUSE_S = 1.0

_log = structlog.stdlib.get_logger("bcfl.agents")


class Role(Protocol):
    """An agent's core and hands."""

    @property
    def name(self) -> str:
        """Unique in the process."""
        ...

    @property
    def role(self) -> str:
        """trainer, evaluator, ..."""
        ...

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """All that the agent wants now; pure."""
        ...

    async def perform(self, work: Work[Any]) -> Any:  # noqa: ANN401 - each role's own results
        """Do a piece of work; may be cancelled when the core no longer wants it."""
        ...


class Submitter(Protocol):
    """Sends an agent's transactions (``chain.TransactionOwner``)."""

    async def submit(self, intent: Intent) -> object:
        """Have it included once; returns when it is signed and durable."""
        ...


class Shell:
    """Runs one agent until cancelled.

    Args:
        role: the agent.
        owner: sends its transactions.
        clock: wakes it.
        activity: counts what it has under way.
        observer: hears what it decides and what becomes of it.
        bell: rings when it should look again.
        retry_s: seconds after which a transaction that was refused is tried again, longer each time, on a chain that others
            share and whose time passes without blocks; None: at the next block.
        done: round and name of the transactions that are on the chain from an earlier life without a journal.
    """

    def __init__(
        self,
        *,
        role: Role,
        owner: Submitter,
        clock: Clock,
        activity: Activity,
        observer: Observer,
        bell: Bell,
        retry_s: float | None = None,
        done: Collection[tuple[int, str]] = (),
    ) -> None:
        self.role = role
        self._owner = owner
        self._clock = clock
        self._activity = activity
        self._observer = observer
        self._bell = bell
        self._results = RecentResults()
        self._running: dict[Work[Any], anyio.CancelScope] = {}
        self._submitted: set[ActionKey] = set()
        self._remade: dict[ActionKey, Work[Any]] = {}
        self._done = frozenset(done)
        self._resting = None if retry_s is None else Resting(retry_s)
        self._refused = anyio.Event()
        self._alarm: tuple[int, anyio.CancelScope] | None = None
        self._woken = 0

    async def run(self, chronicle: ViewSource) -> None:
        """Act on the chronicle whenever the bell rings."""
        async with anyio.create_task_group() as group:
            if self._resting is not None:
                group.start_soon(self._retry, self._resting)
            while True:
                await self._bell.wait()
                try:
                    # A clock may know that a deadline has come before a block says so.
                    now = max(chronicle.now, self._woken)
                    view = View(seen=chronicle.seen, final=chronicle.final, now=now)
                    await self._reconcile(group, view)
                finally:
                    self._bell.answered()

    async def _reconcile(self, group: anyio.abc.TaskGroup, view: View) -> None:
        if view.final is not None:
            self._forget(view.final.round)
        if view.seen is not None and self._resting is not None:
            self._resting.moved((view.seen.round, view.seen.phase, view.seen.deadline))
        actions = self.role.decide(view, self._results)
        wanted = {action for action in actions if isinstance(action, Work)}
        for work in [work for work in self._running if work not in wanted]:
            self._running.pop(work).cancel()
        for work in wanted:
            if work not in self._running and work not in self._results:
                scope = self._running[work] = anyio.CancelScope()
                if not work.waits:
                    self._activity.enter()
                group.start_soon(self._work, work, scope)
        task = view.seen.address if view.seen is not None else NO_TASK
        for action in actions:
            if isinstance(action, Transact):
                await self._transact(action, task)
        self._set_alarm(group, min((a.timestamp for a in actions if isinstance(a, WakeAt)), default=None))

    def _forget(self, round_number: int) -> None:
        """Nobody asks again for what is of rounds before the one before this, which is final."""
        if self._results.final(round_number):
            self._submitted = {
                key for key in self._submitted if key.round == 0 or key.round >= round_number - 1
            }

    async def _work(self, work: Work[Any], scope: anyio.CancelScope) -> None:
        try:
            with scope:
                self._results.keep(work, await self._performed(work))
                self._bell.ring()
        finally:
            # A work that was stopped and wanted again has a scope of its own by now.
            if self._running.get(work) is scope:
                del self._running[work]
            if not work.waits:
                self._activity.leave()

    async def _performed(self, work: Work[Any]) -> Any:  # noqa: ANN401 - each role's own results
        """Do the work; a store that is away for a while is waited for, as a node is."""
        patience = anyio.current_time() + _STORE_PATIENCE_S
        while True:
            try:
                return await self.role.perform(work)
            except StoreUnreachable as error:
                if anyio.current_time() > patience:
                    raise
                _log.warning("store_unreachable", agent=self.role.name, reason=str(error))
                await anyio.sleep(_STORE_PAUSE_S)

    async def _transact(self, action: Transact, task: Address) -> None:
        key = ActionKey(self.role.name, task, action.round, action.name)
        if key in self._submitted or (action.round, action.name) in self._done:
            return
        if self._resting is not None and self._resting.rests(key):
            return
        self._submitted.add(key)
        if action.remade is not None:
            self._remade[key] = action.remade
        self._observer.decided(
            agent=self.role.name,
            role=self.role.role,
            name=action.name,
            round_number=action.round,
            evidence=action.evidence,
        )
        await self._owner.submit(
            Intent(key=key, to=action.call.to, data=action.call.data, spare_gas=action.spare_gas)
        )

    def outcome(self, outcome: Outcome) -> None:
        """What became of a transaction; a refused one may be wanted again after the next block."""
        reason = error_name(outcome.reason) if isinstance(outcome.reason, bytes) else outcome.reason
        ended = outcome.status is not OutcomeStatus.OVERTAKEN
        remade = self._remade.pop(outcome.key, None) if ended else None
        if ended and outcome.status is not OutcomeStatus.INCLUDED:
            if remade is not None:
                self._results.drop(remade)
            self._submitted.discard(outcome.key)
            if self._resting is not None:
                self._resting.refused(outcome.key, anyio.current_time())
                self._refused.set()
            # That others were quicker is no fault: a vote after the deciding one, a call of a phase that has ended.
            overtaken = outcome.status is OutcomeStatus.REVERTED
            (_log.info if overtaken else _log.warning)(
                "transaction_refused", agent=self.role.name, action=outcome.key.action, reason=reason
            )
        self._observer.transacted(
            agent=self.role.name,
            role=self.role.role,
            name=outcome.key.action,
            round_number=outcome.key.round,
            status=outcome.status.value,
            gas=outcome.gas_used,
            reason="" if outcome.status is OutcomeStatus.INCLUDED else reason,
        )

    async def _retry(self, resting: Resting) -> None:
        """A chain may make blocks for transactions alone: what was refused for coming too early has none to wait for."""
        while True:
            due = resting.due()
            with anyio.move_on_after(None if due is None else max(0.0, due - anyio.current_time())):
                await self._refused.wait()
                self._refused = anyio.Event()
                continue
            resting.wake(anyio.current_time())
            self._bell.ring()

    def _set_alarm(self, group: anyio.abc.TaskGroup, timestamp: int | None) -> None:
        if self._alarm is not None:
            if self._alarm[0] == timestamp:
                return
            self._alarm[1].cancel()
            self._alarm = None
        if timestamp is not None:
            scope = anyio.CancelScope()
            self._alarm = (timestamp, scope)
            group.start_soon(self._sleep, timestamp, scope)

    async def _sleep(self, timestamp: int, scope: anyio.CancelScope) -> None:
        with scope:
            await self._clock.sleep_until(timestamp)
            self._woken = max(self._woken, timestamp)
            if self._alarm is not None and self._alarm[1] is scope:
                self._alarm = None
            self._bell.ring()


class ViewSource(Protocol):
    """Where views come from (``agents.chronicle``)."""

    @property
    def seen(self) -> TaskState | None:
        """After the newest block."""
        ...

    @property
    def final(self) -> TaskState | None:
        """After the newest final block."""
        ...

    @property
    def now(self) -> int:
        """Newest timestamp."""
        ...
