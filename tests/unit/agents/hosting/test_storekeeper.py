# SPDX-License-Identifier: Apache-2.0
"""What an agent lets go of by a task's terms, and what stays whatever they say."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from bcfl.agents.hosting.pins import PinBook, PinningStore, TaskPins
from bcfl.agents.hosting.storekeeper import Storekeeper
from bcfl.agents.runtime.actions import View
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import Phase
from bcfl.storage.content_id import cid_text
from bcfl.storage.directory import DirectoryStore
from bcfl.storage.errors import FetchTimedOut, StoreUnreachable
from bcfl.storage.retention import RetentionPolicy


class Pins:
    """A node that says what it was told to let go of."""

    def __init__(self):
        self.gone = []
        self.away = 0

    async def unpin(self, content):
        if self.away:
            self.away -= 1
            raise StoreUnreachable("It is away.")
        self.gone.append(content)


def _played(tale, rounds):
    for number in range(tale.state.round + 1, rounds + 1):
        tale.start(number).commit(0, 1).phase(Phase.REVEAL).submit(0, f"{number}/0").submit(1, f"{number}/1")
        tale.phase(Phase.EVALUATION).evaluate([1, 1], 100).finalise(f"model {number}", 100)
    return tale


def _named(state):
    """All that the task's rounds name, as an evaluator has it pinned."""
    pins = TaskPins(None)
    for record in state.rounds.values():
        for content in (record.start_model, record.model, *(one.content for one in record.updates.values())):
            if content is not None:
                pins.add(cid_text(content))
    return pins


def _keeper(store, *, pins, models=None, updates=None, mark=None, others=(), memory_of=None):
    return Storekeeper(
        name="ann:storekeeper",
        policy=RetentionPolicy(models=models, updates=updates),
        store=store,
        pins=pins,
        others=lambda: {cid_text(one) for one in others},
        memory_of=memory_of,
        mark=mark,
    )


async def _asked(keeper, state):
    """It is asked as the shell asks, once for each round that is final."""
    (work,) = keeper.decide(View(seen=state, final=state, now=0), {})
    return await keeper.perform(work)


@pytest.mark.asyncio
async def test_what_is_older_than_the_terms_say_goes_and_each_but_once(story, content):
    store, tale = Pins(), story().enrol(2)
    pins = TaskPins(None)
    keeper = _keeper(store, pins=pins, models=3, updates=2)
    for number in range(1, 8):
        _played(tale, number)
        for name in _named(tale.state).names if number == 1 else _of_round(tale.state, number):
            pins.add(name)
        await _asked(keeper, tale.state)
    # in round 7 six are over: the three newest keep their model, the two newest their updates
    models = {content(f"model {number}") for number in (1, 2, 3)}
    updates = {content(f"{number}/{index}") for number in (1, 2, 3, 4) for index in (0, 1)}
    assert set(store.gone) == models | updates
    assert len(store.gone) == len(set(store.gone))
    assert not pins.names & {cid_text(one) for one in store.gone}


def _of_round(state, number):
    record = state.rounds[number]
    return [cid_text(one) for one in (record.model, *(update.content for update in record.updates.values()))]


@pytest.mark.asyncio
async def test_one_kind_may_be_kept_for_good(story, content):
    store = Pins()
    later = _played(story().enrol(2), 7).state
    keeper = _keeper(store, pins=_named(later), updates=2)
    for state in (_played(story().enrol(2), 6).state, later):
        await _asked(keeper, state)
    assert set(store.gone) == {content(f"{number}/{index}") for number in (1, 2, 3, 4) for index in (0, 1)}
    assert len(store.gone) == 8


@pytest.mark.asyncio
async def test_what_is_needed_stays(story, content):
    """The task's own contents, its round under way, and what is pinned for another task."""
    store = Pins()
    tale = _played(story().enrol(2), 6)
    tale.start(7).commit(0, 1).phase(Phase.REVEAL).submit(0, "1/0")  # the same bytes as in the first round
    pins = _named(tale.state)
    for name in ("specification", "genesis"):
        pins.add(cid_text(content(name)))
    await _asked(_keeper(store, pins=pins, models=2, updates=2, others={content("model 2")}), tale.state)
    assert content("1/0") not in store.gone
    assert content("1/1") in store.gone
    assert content("model 2") not in store.gone
    assert not {content("specification"), content("genesis"), tale.state.model} & set(store.gone)


@pytest.mark.asyncio
async def test_what_a_stranger_names_is_let_go_of_only_if_it_was_pinned_for_this_task(story, content):
    """Whatever somebody reveals as an update: another task's model, or the task's own contents under another size."""
    store, tale = Pins(), story().enrol(2)
    foreign = content("somebody's archive")
    twisted = ContentId(content("specification").digest, content("specification").size + 1)
    _played(tale, 1)
    for index, named in enumerate((foreign, twisted)):
        record = tale.state.rounds[1]
        update = dataclasses.replace(record.updates[index], content=named)
        record = dataclasses.replace(record, updates={**record.updates, index: update})
        tale.state = dataclasses.replace(tale.state, rounds={**tale.state.rounds, 1: record})
    _played(tale, 6)
    pins = _named(tale.state)
    pins.remove({cid_text(foreign)})
    pins.add(cid_text(content("specification")))
    await _asked(_keeper(store, pins=pins, models=2, updates=2), tale.state)
    assert content("2/0") in store.gone
    assert not {cid_text(foreign), cid_text(twisted)} & {cid_text(one) for one in store.gone}


@pytest.mark.asyncio
async def test_a_model_s_memory_goes_with_it(story, content):
    store = Pins()
    state = _played(story().enrol(2), 5).state
    pins = _named(state)
    memories = {content(f"model {number}"): content(f"memory {number}") for number in range(1, 6)}
    for memory in memories.values():
        pins.add(cid_text(memory))

    asked = []

    async def memory_of(model):
        asked.append(model)
        if model == content("model 4"):
            raise FetchTimedOut
        return memories[model]

    keeper = _keeper(store, pins=pins, models=2, updates=4, memory_of=memory_of)
    await _asked(keeper, state)
    gone = {content(f"{what} {number}") for what in ("model", "memory") for number in (1, 2)}
    assert set(store.gone) == gone
    # what is gone is not asked for again, though its updates are still kept
    asked.clear()
    await _asked(keeper, state)
    assert set(asked) == {content("model 3"), content("model 4")}


@pytest.mark.asyncio
async def test_a_later_life_begins_where_this_one_ended(story, content, tmp_path):
    mark = tmp_path / "task" / "pruned"
    first, second = Pins(), Pins()
    state = _played(story().enrol(2), 8).state
    pins = _named(state)
    await _asked(
        _keeper(first, pins=pins, models=2, updates=2, mark=mark), _played(story().enrol(2), 7).state
    )
    asked = []

    class Rounds(dict):
        def __getitem__(self, number):
            asked.append(number)
            return super().__getitem__(number)

    state = dataclasses.replace(state, rounds=Rounds(state.rounds))
    await _asked(_keeper(second, pins=pins, models=2, updates=2, mark=mark), state)
    assert set(second.gone) == {content("model 5"), content("5/0"), content("5/1")}
    assert min(asked) == 5  # what is gone is not looked at again


@pytest.mark.asyncio
async def test_a_store_that_refuses_is_asked_again_a_round_later_and_ends_nobody(story, content):
    store = Pins()
    store.away = 1
    tale = _played(story().enrol(2), 5)
    pins = _named(tale.state)
    keeper = _keeper(store, pins=pins, models=2, updates=2)
    assert not await _asked(keeper, _played(story().enrol(2), 4).state)
    assert await _asked(keeper, tale.state)
    assert {content("model 1"), content("1/0"), content("1/1")} <= set(store.gone)


@pytest.mark.asyncio
async def test_a_directory_frees_its_disk(story, tmp_path):
    store, pins = DirectoryStore(tmp_path), TaskPins(None)
    task = PinningStore(store, pins)
    old, new = [await task.put(b"old"), await task.put(b"old too")], await task.put(b"new")
    tale = story().enrol(2)
    contents = {1: old, 2: [new, new], 3: [new, new]}
    for number in (1, 2, 3):
        tale.start(number).phase(Phase.REVEAL)
        for index in (0, 1):
            tale.submit(index, f"{number}/{index}")
        updates = {
            index: dataclasses.replace(tale.state.current.updates[index], content=contents[number][index])
            for index in (0, 1)
        }
        record = dataclasses.replace(tale.state.current, updates=updates)
        tale.state = dataclasses.replace(tale.state, rounds={**tale.state.rounds, number: record})
    tale.start(4)
    await _asked(_keeper(store, pins=pins, updates=2), tale.state)
    assert [await store.has(one) for one in (*old, new)] == [False, False, True]


def test_before_anything_is_final_there_is_nothing_to_do(story):
    keeper = _keeper(Pins(), pins=TaskPins(None), models=2)
    assert keeper.decide(View(seen=story().state, final=None, now=0), {}) == []


@pytest.mark.asyncio
async def test_pins_outlive_the_process_and_the_task(tmp_path):
    store, book = DirectoryStore(tmp_path / "store"), PinBook(tmp_path)
    for task, data in (("0xa", b"a"), ("0xb", b"b")):
        await PinningStore(store, book.of(task)).put(data)
    again = PinBook(tmp_path)
    (mine,) = again.of("0xa").names
    (other,) = again.others("0xa")
    assert mine != other
    await PinningStore(store, again.of("0xa")).unpin(await store.put(b"a"))
    assert PinBook(tmp_path).of("0xa").names == set()
    again.of("0xb")
    again.over("0xb")
    shutil.rmtree(tmp_path / "tasks" / "0xb")  # as the host does
    assert PinBook(tmp_path).others("0xa") == {other}
