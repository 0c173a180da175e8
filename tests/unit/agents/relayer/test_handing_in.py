# SPDX-License-Identifier: Apache-2.0
"""Through relayers, and past those that are away, refuse, or take a message and do nothing with it."""

from __future__ import annotations

import pytest

from bcfl.agents.errors import MessageRefused, RelayerAway
from bcfl.agents.relayer.handing_in import HandIn, HandingIn
from bcfl.agents.relayer.local import LocalRelay
from bcfl.agents.runtime.actions import Transact, WakeAt
from bcfl.contracts import calls
from bcfl.contracts.calls import Opening
from bcfl.contracts.messages import CommitMessage, JoinMessage

CHAIN_ID = 31337


class Away:
    async def hand_in(self, task, message):
        raise RelayerAway("No relayer answers.")


class Lying:
    """Says that it took it."""

    def __init__(self):
        self.taken = []

    async def hand_in(self, task, message):
        self.taken.append(message)


class Deaf:
    async def hand_in(self, task, message):
        raise MessageRefused("Not today.")


def _commit(task, index=0):
    call = calls.commit(task.state.address, round_number=1, index=index, commitment=task.hidden(index))
    return Transact(round=1, name="commit", call=call)


def _way(task, *relays, member=0):
    return HandingIn(signer=task.keys[member], chain_id=CHAIN_ID, relays=relays)


async def _until(way, task, view, action, now, results):
    """What is wanted when everything that could be done is done."""
    while True:
        wanted = way.choose(view(task, now), [action], results)
        open_works = [one for one in wanted if isinstance(one, HandIn) and one not in results]
        if not open_works:
            return [one for one in wanted if not isinstance(one, HandIn)]
        for work in open_works:
            results[work] = await way.perform(work)


@pytest.mark.asyncio
async def test_a_relayer_that_takes_it_is_given_its_time_and_then_the_trainer_acts(light, view):
    task = light().start()
    lying = Lying()
    way, action, results = _way(task, lying), _commit(task), {}
    window, end = task.state.config.schedule.training, task.state.deadline
    began, quarter = end - window, window // 4
    assert await _until(way, task, view, action, began, results) == [WakeAt(began + window // 8)]
    assert len(lying.taken) == 1
    assert await _until(way, task, view, action, began + window // 8 - 1, results) == [
        WakeAt(began + window // 8)
    ]
    assert len(lying.taken) == 1, "nobody is asked twice at a time"
    assert await _until(way, task, view, action, end - quarter - 1, results) == [WakeAt(end - quarter)]
    assert await _until(way, task, view, action, end - quarter, results) == [action]
    assert len(lying.taken) == 2


@pytest.mark.asyncio
async def test_a_relayer_that_was_started_anew_is_given_the_message_again(light, view):
    task, other = light().start(), light().start()
    way, action, results = _way(task, LocalRelay(intake=task.intake), member=1), _commit(task, 1), {}
    window = task.state.config.schedule.training
    began = task.state.deadline - window
    await _until(way, task, view, action, began, results)
    task.intake.commitments.close(9)
    assert task.intake.commitments.batches == [(task.commitment(1),)]
    anew = HandingIn(signer=task.keys[1], chain_id=CHAIN_ID, relays=[LocalRelay(intake=other.intake)])
    assert await _until(anew, task, view, action, began + window // 8, results) == [
        WakeAt(began + 2 * (window // 8))
    ]
    other.intake.commitments.close(9)
    assert len(other.intake.commitments.batches) == 1


@pytest.mark.asyncio
async def test_one_that_has_taken_it_and_is_away_now_keeps_its_time(light, view):
    task = light().start()
    action, results = _commit(task), {}
    window, end = task.state.config.schedule.training, task.state.deadline
    began = end - window
    await _until(_way(task, Lying()), task, view, action, began, results)
    away = _way(task, Away())
    assert await _until(away, task, view, action, began + window // 8, results) == [
        WakeAt(began + 2 * (window // 8))
    ]
    assert await _until(away, task, view, action, end - window // 4, results) == [action]


@pytest.mark.asyncio
async def test_relayers_are_asked_one_after_the_other(light, view):
    task = light().start()
    lying = Lying(), Lying()
    way, action, results = _way(task, Away(), *lying), _commit(task), {}
    quarter, end = task.state.config.schedule.training // 4, task.state.deadline
    eighth = task.state.config.schedule.training // 8
    assert await _until(way, task, view, action, end - 8 * eighth, results) == [WakeAt(end - 7 * eighth)]
    assert [len(one.taken) for one in lying] == [1, 0]
    assert await _until(way, task, view, action, end - 2 * quarter, results) == [
        WakeAt(end - eighth - quarter)
    ]
    assert [len(one.taken) for one in lying] == [1, 1]
    assert await _until(way, task, view, action, end - quarter, results) == [action]


@pytest.mark.asyncio
async def test_where_nobody_takes_it_the_trainer_acts_at_once(light, view):
    task = light().start()
    way, action, results = _way(task, Away(), Deaf()), _commit(task), {}
    window, end = task.state.config.schedule.training, task.state.deadline
    assert await _until(way, task, view, action, end - window, results) == [action]
    assert way.choose(view(task, end - window // 2), [action], results) == [action], "and asks nobody again"


@pytest.mark.asyncio
async def test_who_is_late_acts_itself_and_hands_in_too(light, view):
    task = light().start()
    lying = Lying()
    way, action = _way(task, lying), _commit(task)
    assert await _until(way, task, view, action, task.state.deadline - 5, {}) == [action]
    assert lying.taken


def test_other_transactions_and_other_tasks_are_its_own(light, view, story):
    task = light().start()
    way = _way(task, Lying())
    other = Transact(round=1, name="object", call=_commit(task).call)
    assert way.choose(view(task, 0), [other], {}) == [other]
    direct = story().enrol(2).start()
    action = _commit(task)
    seen = type(view(task, 0))(seen=direct.state, final=direct.state, now=0)
    assert way.choose(seen, [action], {}) == [action]


@pytest.mark.asyncio
async def test_what_is_handed_in_is_what_the_call_says_and_signed(light):
    task = light(stake=0)
    lying = Lying()
    way = _way(task, lying, member=4)
    address = task.state.address
    join = calls.join(address, task.keys[4].address)
    assert await way.perform(HandIn(round=0, relay=0, deadline=9, task=address, call=join))
    assert lying.taken == [task.join(4)]
    assert isinstance(lying.taken[0], JoinMessage)
    await task.intake.take(lying.taken[0])


@pytest.mark.asyncio
async def test_commitments_and_openings_reach_an_intake_beside_it(light):
    task = light().start()
    way = _way(task, LocalRelay(intake=task.intake), member=1)
    work = HandIn(round=1, relay=0, deadline=9, task=task.state.address, call=_commit(task, 1).call)
    assert await way.perform(work)
    task.intake.commitments.close(9)
    assert task.intake.commitments.batches == [(task.commitment(1),)]
    assert isinstance(task.commitment(1), CommitMessage)
    task.reveal((0, 1, 2))
    opening = Opening(place=1, content=task.content("update 1"), salt=b"s" * 16)
    call = calls.reveal(
        task.state.address,
        round_number=1,
        batch=0,
        entries=task.state.current.batches[0],
        openings=[opening],
    )
    assert await way.perform(HandIn(round=1, relay=0, deadline=9, task=task.state.address, call=call))
    task.intake.openings.close(9)
    ((opened,),) = task.intake.openings.batches
    assert opened.message == task.opening(1)


@pytest.mark.asyncio
async def test_a_refusal_is_an_answer_and_no_failure(light):
    task = light().start()
    way = _way(task, LocalRelay(intake=task.intake), member=3)  # no member
    assert not await way.perform(
        HandIn(round=1, relay=0, deadline=9, task=task.state.address, call=_commit(task).call)
    )


@pytest.mark.asyncio
async def test_a_relayer_that_says_nothing_has_its_time_and_no_more(light, view):
    task = light().start()
    way, action = _way(task, Lying(), Lying()), _commit(task)
    quarter, end = task.state.config.schedule.training // 4, task.state.deadline
    eighth = task.state.config.schedule.training // 8
    first, wake = way.choose(view(task, end - 3 * quarter), [action], {})
    assert (first.relay, wake) == (0, WakeAt(end - 2 * quarter - eighth))
    *asked, wake = way.choose(view(task, end - 2 * quarter), [action], {})
    assert ([one.relay for one in asked], wake) == ([0, 1], WakeAt(end - quarter - eighth))
    *asked, acting = way.choose(view(task, end - quarter), [action], {})
    assert ([one.relay for one in asked], acting) == ([0, 1], action)


@pytest.mark.asyncio
async def test_who_was_refused_in_one_phase_asks_again_in_the_next(light, view):
    task = light(members=1, capacity=9)
    way = _way(task, Deaf(), member=4)
    join = Transact(round=0, name="join", call=calls.join(task.state.address, task.keys[4].address))
    results = {}
    assert await _until(way, task, view, join, 0, results) == [join]
    task.start()
    first, _ = way.choose(view(task, 0), [join], results)
    assert first not in results
