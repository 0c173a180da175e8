# SPDX-License-Identifier: Apache-2.0
"""Deliveries folded, finalised and undone."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.runtime.chronicle import Chronicle, TaskFilter
from bcfl.chain.errors import ReorganisationTooDeep
from bcfl.contracts import events as e
from bcfl.contracts.delivery import Batch, BlockRef, EventOrigin, Level, Retracted
from bcfl.contracts.ids import Address


class Chain:
    """Blocks as a pump would deliver them to a chronicle."""

    def __init__(self, story):
        self.created = story().created
        self.factory = self.created.origin.address
        self.chronicle = Chronicle(TaskFilter(factory=self.factory))
        self.states = []

    def block(self, number, fork=""):
        return BlockRef(number, f"0x{number}{fork}", f"0x{number - 1}{fork}", 1000 + number)

    def joined(self, index, number):
        origin = EventOrigin(self.block(number), index + 1, "0x", self.created.task)
        return e.TrainerJoined(origin=origin, index=index, account=Address(f"0x{index + 1:040x}"), stake=0)

    def see(self, number, *events, fork=""):
        return self.chronicle.apply(Batch(self.block(number, fork), Level.SEEN, events))

    def finalise(self, number, *events, fork=""):
        return self.chronicle.apply(Batch(self.block(number, fork), Level.FINAL, events))

    def retract(self, *numbers, fork=""):
        return self.chronicle.apply(Retracted(tuple(self.block(number, fork) for number in numbers)))


@pytest.fixture
def chain(story):
    return Chain(story)


def test_old_rounds_leave_memory_in_every_state_that_it_holds_and_states_stay_what_they_were(chain):
    """A state that is final is known by being the same object as the one that was seen."""
    chain.see(1, chain.created)
    chain.see(2, chain.joined(0, 2))
    chain.finalise(1, chain.created)
    for number in range(1, 12):
        block = chain.block(2 + number)
        origin = EventOrigin(block, 1, "0x", chain.created.task)
        began = e.RoundStarted(
            origin=origin, round=number, model=chain.chronicle.seen.model, deadline=9999, cohort=(0,)
        )
        chain.see(2 + number, began)
    chain.see(14)  # where nothing is said
    chain.finalise(12)
    kept, seen, final = chain.chronicle.final, chain.chronicle.seen, chain.chronicle.final
    assert (kept.round, seen.round) == (10, 11)
    chain.chronicle.put_away(kept, kept.rounds.__getitem__)
    assert set(chain.chronicle.final.rounds.held) == set(range(3, 11))
    assert set(chain.chronicle.seen.rounds.held) == set(range(3, 12))
    assert (chain.chronicle.seen, chain.chronicle.final) == (seen, final)
    assert chain.finalise(13) is True
    assert chain.chronicle.final is chain.chronicle.seen
    assert chain.finalise(14) is False  # it is the same state still
    chain.retract(14)
    assert chain.chronicle.seen.round == 11
    assert set(chain.chronicle.seen.rounds.held) == set(range(3, 12))


def test_before_the_task_there_is_only_time(chain):
    assert chain.chronicle.now == 0
    assert chain.see(1) is False
    assert chain.chronicle.seen is None
    assert chain.chronicle.now == 1001


def test_a_retraction_returns_to_the_exact_earlier_state(chain):
    chain.see(1, chain.created)
    chain.see(2, chain.joined(0, 2))
    before = chain.chronicle.seen
    chain.see(3, chain.joined(1, 3))
    chain.see(4)
    chain.see(5, chain.joined(2, 5))
    assert len(chain.chronicle.seen.members) == 3
    assert chain.retract(5, 4, 3)
    assert chain.chronicle.seen is before
    assert chain.chronicle.block == chain.block(2)
    chain.see(3, fork="b")
    assert list(chain.chronicle.seen.members) == [0]
    assert chain.chronicle.block == chain.block(3, "b")


def test_a_task_whose_creation_is_retracted_is_gone(chain):
    chain.see(1)
    chain.see(2, chain.created)
    chain.retract(2)
    assert chain.chronicle.seen is None
    chain.see(2, chain.created, fork="b")
    assert chain.chronicle.seen is not None


def test_final_follows_seen_block_by_block(chain):
    chain.see(1, chain.created)
    first = chain.chronicle.seen
    chain.see(2, chain.joined(0, 2))
    second = chain.chronicle.seen
    chain.see(3, chain.joined(1, 3))
    assert chain.chronicle.final is None
    assert chain.finalise(1)
    assert chain.chronicle.final is first
    assert chain.finalise(2)
    assert chain.chronicle.final is second
    assert chain.finalise(3)
    assert chain.chronicle.final is chain.chronicle.seen


def test_final_at_once(chain):
    for number, events in enumerate([(chain.created,), (chain.joined(0, 2),), ()], start=1):
        chain.see(number, *events)
        chain.finalise(number, *events)
        assert chain.chronicle.final is chain.chronicle.seen
    assert list(chain.chronicle.final.members) == [0]


def test_a_retraction_never_touches_what_is_final(chain):
    chain.see(1, chain.created)
    chain.see(2, chain.joined(0, 2))
    chain.finalise(2)
    final = chain.chronicle.final
    chain.see(3, chain.joined(1, 3))
    chain.retract(3)
    assert chain.chronicle.final is final
    assert chain.chronicle.seen is final


def test_the_task_s_own_events_of_the_block_that_made_it_come_in_a_batch_of_their_own(chain):
    chain.see(1, chain.created)
    chain.see(1, chain.joined(0, 1))  # the pump follows the new address up
    assert list(chain.chronicle.seen.members) == [0]
    chain.see(2, chain.joined(1, 2))
    chain.finalise(1)
    assert list(chain.chronicle.final.members) == [0]
    chain.retract(2)
    assert list(chain.chronicle.seen.members) == [0]
    chain.retract(1)
    assert chain.chronicle.seen is None


def test_a_batch_delivered_twice_is_folded_once(chain):
    chain.see(1, chain.created)
    chain.see(2, chain.joined(0, 2))
    once = chain.chronicle.seen
    chain.see(2, chain.joined(0, 2))
    assert chain.chronicle.seen == once


def test_an_unchanged_final_state_is_no_reason_to_look(chain):
    chain.see(1)
    assert chain.finalise(1) is False
    chain.see(2, chain.created)
    assert chain.finalise(2) is True
    chain.see(3)
    assert chain.finalise(3) is False


def test_a_filter_takes_the_task_at_an_address_or_the_first_of_a_publisher(story):
    created = story().created
    factory = created.origin.address
    other = Address("0x" + "9" * 40)
    assert TaskFilter(factory=factory).matches(created)
    assert TaskFilter(factory=factory, publisher=created.publisher).matches(created)
    assert TaskFilter(factory=factory, task=created.task, publisher=other).matches(created)
    assert not TaskFilter(factory=factory, publisher=other).matches(created)
    assert not TaskFilter(factory=factory, task=other).matches(created)
    assert not TaskFilter(factory=other).matches(created)


def test_other_tasks_events_in_the_block_are_left_alone(chain):
    elsewhere = dataclasses.replace(chain.joined(0, 1).origin, address=Address("0x" + "9" * 40))
    chain.see(1, chain.created, dataclasses.replace(chain.joined(0, 1), origin=elsewhere))
    assert chain.chronicle.seen.members == {}


def test_one_that_begins_with_what_is_final_goes_on_from_there(chain):
    chain.see(1, chain.created)
    chain.see(2, chain.joined(0, 2))
    known = chain.chronicle.seen
    again = Chronicle(TaskFilter(factory=chain.factory), state=known, block=chain.block(2))
    assert (again.seen, again.final, again.now) == (known, known, 1002)
    chain.chronicle = again
    chain.see(3, chain.joined(1, 3))
    assert list(again.seen.members) == [0, 1]
    assert again.final is known
    chain.finalise(3, chain.joined(1, 3))
    assert again.final is again.seen


def test_what_was_final_in_an_earlier_life_is_not_taken_back(chain):
    chain.see(1, chain.created)
    again = Chronicle(TaskFilter(factory=chain.factory), state=chain.chronicle.seen, block=chain.block(1))
    chain.chronicle = again
    chain.see(2, chain.joined(0, 2))
    chain.retract(2)
    assert list(again.seen.members) == []
    with pytest.raises(ReorganisationTooDeep, match="final up to block 1"):
        chain.retract(1)


def test_another_task_s_past_does_not_turn_time_back(chain):
    chain.see(1, chain.created)
    chain.see(5, chain.joined(0, 5))
    foreign = EventOrigin(chain.block(3), 0, "0x", Address("0x" + "7" * 40))
    event = e.TrainerJoined(origin=foreign, index=0, account=Address("0x" + "8" * 40), stake=0)
    assert chain.see(3, event) is False
    chain.finalise(3, event)
    assert chain.chronicle.now == 1005
    assert chain.chronicle.final is None
    chain.finalise(5, chain.joined(0, 5))
    assert chain.chronicle.final is chain.chronicle.seen
