# SPDX-License-Identifier: Apache-2.0
"""What an agent lets go of by a task's terms, and what stays whatever they say."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.hosting.storekeeper import Storekeeper, needed_now
from bcfl.agents.runtime.actions import View
from bcfl.contracts.phases import Phase
from bcfl.storage.directory import DirectoryStore
from bcfl.storage.errors import StoreUnreachable
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


def _keeper(store, *, models=None, updates=None, mark=None, others=()):
    return Storekeeper(
        name="ann:storekeeper",
        policy=RetentionPolicy(models=models, updates=updates),
        store=store,
        others=lambda: others,
        mark=mark,
    )


async def _asked(keeper, state):
    """It is asked as the shell asks, once for each round that is final."""
    (work,) = keeper.decide(View(seen=state, final=state, now=0), {})
    return await keeper.perform(work)


@pytest.mark.asyncio
async def test_what_is_older_than_the_terms_say_goes_and_each_but_once(story, content):
    pins = Pins()
    keeper = _keeper(pins, models=3, updates=2)
    tale = story().enrol(2)
    for number in range(1, 8):
        _played(tale, number)
        await _asked(keeper, tale.state)
    # in round 7 six are over: the three newest keep their model, the two newest their updates
    models = {content(f"model {number}") for number in (1, 2, 3)}
    updates = {content(f"{number}/{index}") for number in (1, 2, 3, 4) for index in (0, 1)}
    assert set(pins.gone) == models | updates
    assert len(pins.gone) == len(set(pins.gone))


@pytest.mark.asyncio
async def test_one_kind_may_be_kept_for_good(story, content):
    pins = Pins()
    keeper = _keeper(pins, updates=2)
    for state in (_played(story().enrol(2), 6).state, _played(story().enrol(2), 7).state):
        await _asked(keeper, state)
    assert set(pins.gone) == {content(f"{number}/{index}") for number in (1, 2, 3, 4) for index in (0, 1)}
    assert len(pins.gone) == 8


@pytest.mark.asyncio
async def test_what_is_needed_stays(story, content):
    """The task's own contents, its round under way, and what another task needs."""
    pins = Pins()
    tale = _played(story().enrol(2), 6)
    tale.start(7).commit(0, 1).phase(Phase.REVEAL).submit(0, "1/0")  # the same bytes as in the first round
    keeper = _keeper(pins, models=2, updates=2, others={content("model 2")})
    await _asked(keeper, tale.state)
    assert content("1/0") not in pins.gone
    assert content("1/1") in pins.gone
    assert content("model 2") not in pins.gone
    assert not needed_now(tale.state) & set(pins.gone)
    assert {content("specification"), content("genesis")} <= needed_now(tale.state)


@pytest.mark.asyncio
async def test_a_later_life_begins_where_this_one_ended(story, content, tmp_path):
    mark = tmp_path / "task" / "pruned"
    first, second = Pins(), Pins()
    await _asked(_keeper(first, models=2, updates=2, mark=mark), _played(story().enrol(2), 7).state)
    asked = []
    state = _played(story().enrol(2), 8).state

    class Rounds(dict):
        def __getitem__(self, number):
            asked.append(number)
            return super().__getitem__(number)

    state = dataclasses.replace(state, rounds=Rounds(state.rounds))
    await _asked(_keeper(second, models=2, updates=2, mark=mark), state)
    assert set(second.gone) == {content("model 5"), content("5/0"), content("5/1")}
    assert min(asked) == 5  # what is gone is not looked at again


@pytest.mark.asyncio
async def test_a_store_that_is_away_in_the_middle_is_asked_for_the_rest(story, content):
    pins = Pins()
    pins.away = 1
    keeper = _keeper(pins, models=2, updates=2)
    state = _played(story().enrol(2), 4).state
    with pytest.raises(StoreUnreachable):
        await _asked(keeper, state)
    await _asked(keeper, state)
    assert set(pins.gone) == {content("model 1"), content("1/0"), content("1/1")}


@pytest.mark.asyncio
async def test_a_directory_frees_its_disk(story, tmp_path):
    store = DirectoryStore(tmp_path)
    old, new = [await store.put(b"old"), await store.put(b"old too")], await store.put(b"new")
    tale = story().enrol(2)
    contents = {1: old, 2: [new, new], 3: [new, new]}
    for number in (1, 2, 3):
        tale.start(number).phase(Phase.REVEAL)
        record = tale.state.current
        for index in (0, 1):
            tale.submit(index, f"{number}/{index}")
        updates = {
            index: dataclasses.replace(tale.state.current.updates[index], content=contents[number][index])
            for index in (0, 1)
        }
        record = dataclasses.replace(tale.state.current, updates=updates)
        tale.state = dataclasses.replace(tale.state, rounds={**tale.state.rounds, number: record})
    tale.start(4)
    await _asked(_keeper(store, updates=2), tale.state)
    assert [await store.has(one) for one in (*old, new)] == [False, False, True]


def test_before_anything_is_final_there_is_nothing_to_do(story):
    assert _keeper(Pins(), models=2).decide(View(seen=story().state, final=None, now=0), {}) == []
