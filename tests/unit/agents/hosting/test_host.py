# SPDX-License-Identifier: Apache-2.0
"""A host: follows what suits its agent, passes the rest, leaves what is over; one task alone, where it was told of one."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from types import SimpleNamespace

import anyio
import pytest

from bcfl.agents.errors import TaskUnfit
from bcfl.agents.hosting.choice import Choice
from bcfl.agents.hosting.host import Earlier, Host
from bcfl.agents.hosting.host_events import Joined, Left, Passed
from bcfl.agents.hosting.limits import Limits, Needs
from bcfl.agents.hosting.programs import KeeperProgram
from bcfl.agents.runtime.activity import Activity
from bcfl.contracts import events as e
from bcfl.contracts.delivery import Batch, Level
from bcfl.contracts.owed import owes_nothing
from bcfl.contracts.phases import CancelReason, Kind
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.models.errors import NetworkUnfit
from bcfl.storage.errors import ContentNotFound

SPECIFICATION = Specification(
    title="digits",
    network=EntryReference("mlp"),
    training={},
    score=EntryReference("shapley"),
    aggregator=EntryReference("fedavg"),
    tensors=(),
)


class Process:
    """What a host asks of its process."""

    def __init__(self):
        self.activity = Activity()
        self.attended, self.begun, self.left = {}, [], []
        self.listener = None

    confirmations, block_time_s = 2, 1.0

    def listen(self, listener):
        self.listener = listener

    def attend(self, participation, *, from_block=0):
        self.attended[participation] = from_block

    def begin(self, participation):
        self.begun.append(participation)

    def leave(self, participation):
        self.left.append(participation)

    async def run(self):
        await anyio.sleep_forever()

    async def level(self):
        pass


class Program:
    role = "trainer"

    def __init__(self, reason=None, error=None):
        self.reason, self.error = reason, error

    def needs(self, _state, _specification):
        return Needs()

    def deposit(self, _state):
        return 0

    def refuses(self, _task, _me):
        if self.error is not None:
            raise self.error
        return self.reason

    def agents(self, _task, me, _services):
        return [SimpleNamespace(name=me.name, role=self.role)]

    def over(self, state, me):
        return owes_nothing(state, me.signer.address)


class Retrieval:
    def __init__(self, missing=0):
        self.missing = missing

    async def specification(self, _content):
        if self.missing:
            self.missing -= 1
            raise ContentNotFound
        return SPECIFICATION


def _begun(folder, task):
    """An earlier life takes part there."""
    mark = folder / "tasks" / task / "begun"
    mark.parent.mkdir(parents=True)
    mark.touch()


class Services(SimpleNamespace):
    store = None

    def task_folder(self, task):
        return self.folder / "tasks" / task

    def storing_in(self, store):
        return Services(**{**vars(self), "store": store})

    def computing_by(self, kernel):
        return Services(**{**vars(self), "kernel": kernel})


class Stage:
    def __init__(self, story, *, folder, choice=None, program=None, missing=0):
        self.tale = story()
        self.created = self.tale.created
        self.process, self.told = Process(), []
        self.account = "0x" + "8" * 40
        self.host = Host(
            process=self.process,
            me=SimpleNamespace(name="ann", signer=SimpleNamespace(address=self.account)),
            program=program or Program(),
            choice=choice or Choice(),
            services=Services(retrieval=Retrieval(missing), folder=folder),
            factory=self.created.origin.address,
            tell=self.told.append,
        )

    def announce(self, level=Level.FINAL):
        self.process.listener(Batch(self.created.origin.block, level, (self.created,)))

    async def settle(self):
        for _ in range(20):
            await anyio.sleep(0.005)  # the program looks at a task in a thread


@pytest.fixture
def stage(story, tmp_path):
    return lambda **given: Stage(story, folder=tmp_path, **given)


async def _hosted(stage, act, bookmark=None, *, from_there=True):
    async with anyio.create_task_group() as group:
        group.start_soon(partial(stage.host.run, bookmark, from_there=from_there))
        await stage.settle()
        await act()
        group.cancel_scope.cancel()


@pytest.mark.asyncio
async def test_a_task_that_suits_is_followed_from_its_own_block_on_and_its_agents_begin(stage):
    here = stage()

    async def act():
        here.announce(Level.SEEN)
        assert here.process.attended == {}  # a reorganisation may undo it
        here.announce()
        here.announce()  # delivery is at least once
        (participation,) = here.process.attended
        assert here.process.attended[participation] == here.created.origin.block.number
        await here.settle()
        assert here.process.begun == [participation]
        assert [seat.role.role for seat in participation.seats] == ["trainer", "keeper"]
        assert here.told == [Joined(task=here.created.task, title="digits")]

    await _hosted(here, act)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"choice": Choice(kind=Kind.CONSORTIUM)}, "it is a crowdsourcing task"),
        ({"choice": Choice(networks=frozenset({"tabular"}))}, "it trains mlp"),
        ({"program": Program("it is full of strangers")}, "it is full of strangers"),
        (
            {"program": Program(error=NetworkUnfit("The samples have 3 numbers."))},
            "The samples have 3 numbers",
        ),
    ],
)
async def test_a_task_that_does_not_suit_is_passed_with_the_reason(stage, given, reason):
    here = stage(**given)

    async def act():
        here.announce()
        await here.settle()
        assert here.told == [Passed(task=here.created.task, reason=reason)]
        assert here.process.begun == []
        assert here.host.following == {}
        assert len(here.process.left) == len(here.process.attended)

    await _hosted(here, act)


@pytest.mark.asyncio
async def test_a_task_whose_reveal_phase_is_over_before_a_commitment_is_final_is_passed(stage):
    here = stage()
    reveal_s = here.created.config.schedule.reveal
    here.process.confirmations, here.process.block_time_s = 14, reveal_s / 14

    async def act():
        here.announce()
        await here.settle()
        (passed,) = here.told
        assert re.search(f"reveal phase lasts {reveal_s} s, and with the 14 confirmations", passed.reason)

    await _hosted(here, act)


@pytest.mark.asyncio
async def test_the_one_task_that_it_was_told_of_has_to_suit(stage, story):
    task = story().created.task
    here = stage(choice=Choice(task=task), program=Program("it is for others"))

    async def act():
        here.announce()
        await here.settle()

    with pytest.RaisesGroup(
        pytest.RaisesExc(TaskUnfit, match=r"not for this trainer: it is for others\."), flatten_subgroups=True
    ):
        await _hosted(here, act)


@pytest.mark.asyncio
async def test_a_store_that_does_not_have_the_specification_yet_is_asked_again(stage, monkeypatch):
    monkeypatch.setattr("bcfl.agents.hosting.host._STORE_PAUSE_S", 0)
    here = stage(missing=3)

    async def act():
        here.announce()
        await here.settle()
        assert len(here.process.begun) == 1

    await _hosted(here, act)


@pytest.mark.asyncio
async def test_a_keeper_needs_no_store_for_its_work_unless_it_is_told_what_is_to_be_trained(stage):
    here = stage(program=KeeperProgram(), missing=10**6)

    async def act():
        here.announce()
        await here.settle()
        (participation,) = here.process.begun
        assert [seat.role.role for seat in participation.seats] == ["keeper"]
        assert here.told == [Joined(task=here.created.task, title="")]

    await _hosted(here, act)
    choosy = stage(program=KeeperProgram(), missing=10**6, choice=Choice(networks=frozenset({"mlp"})))

    async def wait():
        choosy.announce()
        await choosy.settle()
        assert choosy.process.begun == []

    await _hosted(choosy, wait)


@pytest.mark.asyncio
async def test_it_goes_on_with_what_it_followed_and_leaves_what_is_over(stage, tmp_path):
    here = stage()
    state = here.tale.enrol(2).start().state
    (tmp_path / "tasks" / state.address / "memory").mkdir(parents=True)
    block = here.created.origin.block
    bookmark = Earlier(block=block, states={state.address: state})

    async def act():
        (participation,) = here.process.attended
        assert len(participation.seats) == 2
        assert here.process.attended[participation] == block.number + 1
        assert participation.chronicle.final == participation.chronicle.seen == state
        ended = here.tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER).state
        member = dataclasses.replace(ended.members[1], account=here.account, earned=7, withdrawn=3)
        participation.chronicle.final = dataclasses.replace(ended, members={**ended.members, 1: member})
        here.process.listener(Batch(block, Level.FINAL, ()))
        assert here.process.left == []  # four are owed
        assert (tmp_path / "tasks" / state.address).is_dir()
        participation.chronicle.final = dataclasses.replace(
            ended, members={**ended.members, 1: dataclasses.replace(member, withdrawn=7)}
        )
        here.process.listener(Batch(block, Level.FINAL, ()))
        assert here.process.left == [participation]
        assert here.told[-1] == Left(task=state.address, paid=7)
        await here.settle()
        assert not (tmp_path / "tasks" / state.address).exists()  # of a task that is over nothing stays

    await _hosted(here, act, bookmark)


@pytest.mark.asyncio
async def test_what_ended_between_two_lives_is_told_in_the_second(stage):
    here = stage()
    ended = here.tale.enrol(2).start().tell(e.TaskCancelled, reason=CancelReason.PUBLISHER).state
    here.process.level = anyio.sleep_forever  # it is over before the agent has begun again

    async def act():
        here.announce()
        (participation,) = here.process.attended
        member = dataclasses.replace(ended.members[1], account=here.account, earned=7, withdrawn=7)
        participation.chronicle.final = dataclasses.replace(ended, members={**ended.members, 1: member})
        here.process.listener(Batch(here.created.origin.block, Level.FINAL, ()))
        assert here.told == [Left(task=here.created.task, paid=7)]
        assert here.process.left == [participation]

    await _hosted(here, act)


@pytest.mark.asyncio
async def test_a_task_that_was_over_before_is_no_news(stage):
    here = stage()
    ended = here.tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER).state
    here.process.level = anyio.sleep_forever

    async def act():
        here.announce()
        (participation,) = here.process.attended
        participation.chronicle.final = ended
        here.process.listener(Batch(here.created.origin.block, Level.FINAL, ()))
        assert here.told == []
        assert here.process.left == [participation]

    await _hosted(here, act)


@pytest.mark.asyncio
async def test_the_one_task_that_it_was_told_of_must_not_be_over(stage, story):
    here = stage(choice=Choice(task=story().created.task))
    ended = here.tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER).state
    here.process.level = anyio.sleep_forever

    async def act():
        here.announce()
        (participation,) = here.process.attended
        participation.chronicle.final = ended
        with pytest.raises(TaskUnfit, match="has ended, and owes"):
            here.process.listener(Batch(here.created.origin.block, Level.FINAL, ()))

    await _hosted(here, act)


@pytest.mark.asyncio
@pytest.mark.parametrize("from_there", [True, False])
async def test_what_it_takes_part_in_it_keeps_though_other_things_are_wanted_now(stage, tmp_path, from_there):
    here = stage(choice=Choice(kind=Kind.CONSORTIUM, networks=frozenset({"tabular"})))
    _begun(tmp_path, here.created.task)
    bookmark = Earlier(block=here.created.origin.block, states={here.created.task: here.tale.state})

    async def act():
        if not from_there:  # the past is read again
            assert here.process.attended == {}
            here.announce()
            await here.settle()
        assert len(here.process.begun) == 1
        assert here.told == [Joined(task=here.created.task, title="digits")]

    await _hosted(here, act, bookmark, from_there=from_there)


@pytest.mark.asyncio
async def test_what_it_had_only_looked_at_is_chosen_by_what_is_wanted_now(stage):
    """Its specification may have been withheld until the agent was started again."""
    for choice, reason in (
        (Choice(networks=frozenset({"tabular"})), "it trains mlp"),
        (Choice(kind=Kind.CONSORTIUM), "it is a crowdsourcing task"),
    ):
        here = stage(choice=choice)
        bookmark = Earlier(block=here.created.origin.block, states={here.created.task: here.tale.state})

        async def act(here=here, reason=reason):
            await here.settle()
            assert here.told == [Passed(task=here.created.task, reason=reason)]

        await _hosted(here, act, bookmark)


@pytest.mark.asyncio
async def test_what_a_task_asks_for_is_weighed_and_cannot_end_the_agent(stage):
    class Greedy(Program):
        def needs(self, _state, _specification):
            return Needs(memory=10**9)

    class Broken(Program):
        def needs(self, _state, _specification):
            raise OverflowError

    for program, reason in (
        (Greedy(), "it asks for 1 GB of memory for its models, and the limit is 1 kB"),
        (Broken(), "its network cannot be used (OverflowError())"),
    ):
        here = stage(choice=Choice(limits=Limits(memory=1000)), program=program)

        async def act(here=here, reason=reason):
            here.announce()
            await here.settle()
            assert here.told == [Passed(task=here.created.task, reason=reason)]

        await _hosted(here, act)


@pytest.mark.asyncio
async def test_a_network_that_breaks_is_a_reason_to_pass(stage):
    here = stage(program=Program(error=MemoryError()))

    async def act():
        here.announce()
        await here.settle()
        assert here.told == [
            Passed(task=here.created.task, reason="its network cannot be used (MemoryError())")
        ]

    await _hosted(here, act)


@pytest.mark.asyncio
async def test_another_task_s_end_is_not_that_of_the_one_it_was_told_of(stage, tmp_path):
    here = stage(choice=Choice(task="0x" + "6" * 40))
    _begun(tmp_path, here.created.task)
    bookmark = Earlier(block=here.created.origin.block, states={here.created.task: here.tale.state})

    async def act():
        (participation,) = here.process.attended
        participation.chronicle.final = here.tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER).state
        here.process.listener(Batch(here.created.origin.block, Level.FINAL, ()))
        await here.settle()
        assert here.told[-1] == Left(task=here.created.task, paid=0)
        assert not here.host._over.is_set()

    await _hosted(here, act, bookmark)
