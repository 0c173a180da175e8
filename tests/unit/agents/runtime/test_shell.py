# SPDX-License-Identifier: Apache-2.0
"""The shell does what a core wants, each thing once, and stops what it no longer wants."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import anyio
import pytest

from bcfl.agents.runtime.actions import Transact, WakeAt, Work
from bcfl.agents.runtime.activity import Activity, Bell
from bcfl.agents.runtime.shell import Shell
from bcfl.chain.clock import DrivenChainClock, WallChainClock
from bcfl.chain.intents import Outcome, OutcomeStatus
from bcfl.chain.outbox import ActionKey
from bcfl.contracts.calls import Call
from bcfl.contracts.delivery import BlockRef

TASK = "0x00000000000000000000000000000000000000A5"
CALL = Call(TASK, b"data")


@dataclass(frozen=True, kw_only=True)
class Job(Work):
    name: str = "job"


class Core:
    """Wants what it is told to; its jobs end when the test says so."""

    name = "bob"
    role = "trainer"

    def __init__(self):
        self.wants = []
        self.views = []
        self.results = {}
        self.started = []
        self.stopped = []
        self.gates = {}
        self.stubborn = False

    def decide(self, view, results):
        self.views.append(view)
        self.results = {work: results.get(work) for work in results}
        return list(self.wants)

    async def perform(self, work):
        self.started.append(work)
        gate = self.gates.setdefault(len(self.started), anyio.Event())
        try:
            await gate.wait()
        except anyio.get_cancelled_exc_class():
            self.stopped.append(work)
            if self.stubborn:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.02)
            raise
        return f"result of {work.name}"

    def let_go(self, start=1):
        self.gates.setdefault(start, anyio.Event()).set()


class Stand:
    """A shell with everything around it watched."""

    def __init__(self):
        self.core = Core()
        self.activity = Activity()
        self.bell = Bell(self.activity)
        self.clock = DrivenChainClock()
        self.intents = []
        self.decided = []
        self.ended = []
        self.chronicle = SimpleNamespace(seen=None, final=None, now=0)
        self.shell = Shell(
            role=self.core,
            owner=self,
            clock=self.clock,
            activity=self.activity,
            observer=SimpleNamespace(
                decided=lambda **said: self.decided.append(said),
                transacted=lambda **said: self.ended.append(said),
            ),
            bell=self.bell,
        )

    async def submit(self, intent):
        self.intents.append(intent)

    async def look(self, *wants):
        """The core wants this from now on, and the bell rings."""
        self.core.wants = list(wants)
        self.bell.ring()
        await anyio.wait_all_tasks_blocked()

    def outcome(self, status, *, name="commit", reason=b""):
        key = ActionKey("bob", "none", 1, name)
        self.shell.outcome(Outcome(key=key, status=status, gas_used=7, reason=reason))


@asynccontextmanager
async def _running():
    stand = Stand()
    async with anyio.create_task_group() as group:
        group.start_soon(stand.shell.run, stand.chronicle)
        await anyio.wait_all_tasks_blocked()
        yield stand
        group.cancel_scope.cancel()


JOB = Job(round=1)
COMMIT = Transact(round=1, name="commit", call=CALL, evidence={"why": "trained"})


@pytest.mark.asyncio
async def test_a_work_runs_once_and_its_result_comes_back():
    async with _running() as stand:
        await stand.look(JOB)
        await stand.look(JOB)
        assert stand.core.started == [JOB]
        assert stand.activity.depth == 1
        stand.core.let_go()
        await anyio.wait_all_tasks_blocked()
        assert stand.core.results == {JOB: "result of job"}
        assert stand.activity.depth == 0
        await stand.look(JOB)
        assert stand.core.started == [JOB]


@pytest.mark.asyncio
async def test_equal_works_are_one():
    async with _running() as stand:
        await stand.look(Job(round=1), Job(round=1), Job(round=2))
        assert len(stand.core.started) == 2


@dataclass(frozen=True, kw_only=True)
class Waiting(Job):
    waits = True


@pytest.mark.asyncio
async def test_who_waits_for_others_keeps_nobody_busy():
    async with _running() as stand:
        await stand.look(Waiting(round=1))
        assert stand.core.started == [Waiting(round=1)]
        assert stand.activity.depth == 0
        stand.core.let_go()
        await anyio.wait_all_tasks_blocked()
        assert stand.core.results == {Waiting(round=1): "result of job"}
        await stand.look(Waiting(round=2))
        await stand.look()
        assert stand.core.stopped == [Waiting(round=2)]
        assert stand.activity.depth == 0


@pytest.mark.asyncio
async def test_work_that_is_no_longer_wanted_is_stopped():
    async with _running() as stand:
        await stand.look(JOB)
        await stand.look()
        assert stand.core.stopped == [JOB]
        assert stand.core.results == {}
        assert stand.activity.depth == 0


@pytest.mark.asyncio
async def test_work_stopped_and_wanted_again_runs_again_once():
    async with _running() as stand:
        stand.core.stubborn = True  # the first needs a while to stop
        await stand.look(JOB)
        stand.core.wants = []
        stand.bell.ring()
        await anyio.sleep(0.001)
        stand.core.wants = [JOB]
        stand.bell.ring()
        await anyio.sleep(0.05)  # the first has ended by now
        await stand.look(JOB)
        await stand.look(JOB)
        assert stand.core.started == [JOB, JOB]
        stand.core.let_go(2)
        await anyio.wait_all_tasks_blocked()
        assert stand.core.results == {JOB: "result of job"}
        assert stand.activity.depth == 0


@pytest.mark.asyncio
async def test_a_transaction_is_submitted_once():
    async with _running() as stand:
        await stand.look(COMMIT)
        await stand.look(COMMIT)
        (intent,) = stand.intents
        assert intent.key == ActionKey("bob", "none", 1, "commit")
        assert (intent.to, intent.data) == (TASK, b"data")
        (said,) = stand.decided
        assert said == {
            "agent": "bob",
            "role": "trainer",
            "name": "commit",
            "round_number": 1,
            "evidence": {"why": "trained"},
        }
        stand.outcome(OutcomeStatus.INCLUDED)
        await stand.look(COMMIT)
        assert len(stand.intents) == 1
        assert stand.ended[0]["status"] == "included"
        assert stand.ended[0]["gas"] == 7
        assert stand.ended[0]["reason"] == ""


@pytest.mark.parametrize("status", [OutcomeStatus.REVERTED, OutcomeStatus.FAILED])
@pytest.mark.asyncio
async def test_a_refused_one_is_tried_again_after_the_next_block_not_before(status):
    async with _running() as stand:
        await stand.look(COMMIT)
        stand.outcome(status, reason="no funds")
        await anyio.wait_all_tasks_blocked()
        assert len(stand.intents) == 1, "tried again at once: a loop without a block between"
        await stand.look(COMMIT)
        assert len(stand.intents) == 2
        assert stand.ended[0]["reason"] == "no funds"
        stand.outcome(status)
        await stand.look()
        assert len(stand.intents) == 2, "nobody wants it any more"


@pytest.mark.asyncio
async def test_one_that_was_overtaken_is_told_and_is_not_sent_a_second_time():
    async with _running() as stand:
        await stand.look(COMMIT)
        stand.outcome(OutcomeStatus.OVERTAKEN, reason="another has its nonce")
        await stand.look(COMMIT)
        assert len(stand.intents) == 1  # its owner signs it anew
        assert (stand.ended[0]["status"], stand.ended[0]["reason"]) == ("overtaken", "another has its nonce")


@pytest.mark.asyncio
async def test_names_and_rounds_make_transactions_different():
    async with _running() as stand:
        later = Transact(round=2, name="commit", call=CALL)
        await stand.look(COMMIT, later, Transact(round=1, name="reveal", call=CALL))
        assert [(intent.key.round, intent.key.action) for intent in stand.intents] == [
            (1, "commit"),
            (2, "commit"),
            (1, "reveal"),
        ]


@pytest.mark.asyncio
async def test_the_earliest_alarm_rings_and_a_withdrawn_one_does_not():
    async with _running() as stand:
        await stand.look(WakeAt(50), WakeAt(20))
        assert stand.clock.next_wake() == 20
        looks = len(stand.core.views)
        stand.clock.observe(BlockRef(1, "0x1", "0x0", 19))
        await anyio.wait_all_tasks_blocked()
        assert len(stand.core.views) == looks
        stand.core.wants = []
        stand.clock.observe(BlockRef(2, "0x2", "0x1", 20))
        await anyio.wait_all_tasks_blocked()
        assert len(stand.core.views) == looks + 1
        await stand.look(WakeAt(70))
        await stand.look(WakeAt(70))
        assert stand.clock.sleepers == 1
        await stand.look()
        assert stand.clock.sleepers == 0
        assert stand.activity.depth == 0


@pytest.mark.asyncio
async def test_a_moved_alarm_is_one_alarm():
    async with _running() as stand:
        await stand.look(WakeAt(20))
        await stand.look(WakeAt(30))
        assert (stand.clock.sleepers, stand.clock.next_wake()) == (1, 30)


@pytest.mark.asyncio
async def test_the_core_sees_the_chronicle_of_the_moment():
    async with _running() as stand:
        stand.chronicle.now = 5
        await stand.look()
        stand.chronicle.now = 6
        await stand.look()
        assert [view.now for view in stand.core.views] == [5, 6]


@pytest.mark.parametrize("where", ["decide", "perform"])
@pytest.mark.asyncio
async def test_a_failure_ends_the_shell_and_leaves_nothing_under_way(where):
    stand = Stand()

    def fail(*_):
        raise ValueError(where)

    async def fail_later(*_):
        fail()

    setattr(stand.core, where, fail if where == "decide" else fail_later)
    stand.core.wants = [JOB]
    stand.bell.ring()
    with pytest.raises(ExceptionGroup) as caught:
        await stand.shell.run(stand.chronicle)
    assert caught.group_contains(ValueError, match=where)
    assert stand.activity.depth == 0


@pytest.mark.asyncio
async def test_a_deadline_that_the_wall_says_has_come_is_acted_on_once_though_no_block_says_so():
    clock = WallChainClock()
    clock.observe(BlockRef(1, "0x1", "0x0", 1000))
    activity = Activity()
    bell = Bell(activity)
    seen = []

    def decide(view, results):
        seen.append(view.now)
        return [WakeAt(1001)] if view.now < 1001 else []

    shell = Shell(
        role=SimpleNamespace(name="keeper", role="keeper", decide=decide, perform=None),
        owner=None,
        clock=clock,
        activity=activity,
        observer=None,
        bell=bell,
    )
    chronicle = SimpleNamespace(seen=None, final=None, now=1000)
    async with anyio.create_task_group() as group:
        group.start_soon(shell.run, chronicle)
        bell.ring()
        await anyio.sleep(1.3)  # chain time is the wall's between blocks
        group.cancel_scope.cancel()
    assert seen == [1000, 1001]


@pytest.mark.asyncio
@pytest.mark.parametrize(("retry_s", "tries"), [(0.05, 3), (None, 1)])
async def test_what_was_refused_for_coming_too_early_is_tried_again_where_no_block_may_come(retry_s, tries):
    activity = Activity()
    bell = Bell(activity)
    intents = []
    advance = Transact(
        round=1, name="advance", call=Call(to="0x70997970C51812dc3A010C7d01b50e0d17dc79C8", data=b"")
    )

    class Owner:
        async def submit(self, intent):
            intents.append(intent)
            status = OutcomeStatus.REVERTED if len(intents) < 3 else OutcomeStatus.INCLUDED
            shell.outcome(Outcome(key=intent.key, status=status, reason="too early"))

    shell = Shell(
        role=SimpleNamespace(name="keeper", role="keeper", decide=lambda *_: [advance], perform=None),
        owner=Owner(),
        clock=WallChainClock(),
        activity=activity,
        observer=SimpleNamespace(decided=lambda **_: None, transacted=lambda **_: None),
        bell=bell,
        retry_s=retry_s,
    )
    chronicle = SimpleNamespace(seen=None, final=None, now=1000)
    async with anyio.create_task_group() as group:
        group.start_soon(shell.run, chronicle)
        bell.ring()
        await anyio.sleep(0.4)
        group.cancel_scope.cancel()
    assert len(intents) == tries


@pytest.mark.asyncio
async def test_what_is_refused_is_not_tried_at_every_block_but_at_once_in_another_phase():
    activity = Activity()
    bell = Bell(activity)
    intents = []
    reveal = Transact(round=1, name="reveal", call=CALL)

    class Owner:
        async def submit(self, intent):
            intents.append(intent)
            shell.outcome(Outcome(key=intent.key, status=OutcomeStatus.REVERTED, reason="too late"))

    shell = Shell(
        role=SimpleNamespace(name="ann", role="trainer", decide=lambda *_: [reveal], perform=None),
        owner=Owner(),
        clock=WallChainClock(),
        activity=activity,
        observer=SimpleNamespace(decided=lambda **_: None, transacted=lambda **_: None),
        bell=bell,
        retry_s=600,
    )
    seen = SimpleNamespace(address="0x1", round=1, phase="reveal", deadline=50)
    chronicle = SimpleNamespace(seen=seen, final=None, now=1000)
    async with anyio.create_task_group() as group:
        group.start_soon(shell.run, chronicle)
        for _ in range(5):  # blocks
            bell.ring()
            await anyio.sleep(0.02)
        assert len(intents) == 1
        chronicle.seen = SimpleNamespace(address="0x1", round=1, phase="evaluation", deadline=90)
        bell.ring()
        await anyio.sleep(0.02)
        assert len(intents) == 2
        group.cancel_scope.cancel()


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "again"), [(OutcomeStatus.REVERTED, 2), (OutcomeStatus.INCLUDED, 1)])
async def test_what_a_refused_call_was_made_of_is_made_anew(status, again):
    """Two tasks of one account sign permits at the same time: the second one's nonce is spent when it arrives."""
    made_of = Transact(round=1, name="commit", call=CALL, remade=JOB)
    async with _running() as stand:
        stand.core.let_go()
        await stand.look(JOB)
        await stand.look(made_of)
        stand.outcome(status)
        await stand.look(JOB)
        assert stand.core.started == [JOB] * again
