# SPDX-License-Identifier: Apache-2.0
"""Old rounds out of memory: whoever asks finds them, and nobody else has them read."""

from __future__ import annotations

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.errors import MalformedState
from bcfl.contracts.fold import fold
from bcfl.contracts.rounds import KeptRounds, changed_rounds, put_away, with_rounds
from bcfl.contracts.state_codec import (
    HELD_ROUNDS,
    StateParts,
    round_from_bytes,
    state_from_parts,
    state_to_parts,
)


class Shelf:
    """Where rounds are kept; it knows what was asked for."""

    def __init__(self, rounds):
        self.rounds = dict(rounds)
        self.asked = []

    def __call__(self, number):
        self.asked.append(number)
        return self.rounds[number]


def _played(tale, rounds):
    for number in range(tale.state.round + 1, rounds + 1):
        tale.start(number).commit(0, 1)
    return tale


def test_rounds_that_were_put_away_are_read_when_they_are_asked_for(story):
    rounds = _played(story().enrol(2), 5).state.rounds
    shelf = Shelf(rounds)
    away = put_away(rounds, rounds, upto=3, read=shelf)
    assert set(away.held) == {4, 5}
    assert (list(away), len(away), 3 in away, 6 in away, 0 in away) == (
        [1, 2, 3, 4, 5],
        5,
        True,
        False,
        False,
    )
    assert away[5] is rounds[5]
    assert away.get(6) is None
    assert shelf.asked == []
    assert away[2] is rounds[2]
    assert shelf.asked == [2]
    assert away == rounds
    with pytest.raises(KeyError):
        away[0]


def test_what_another_state_says_of_an_old_round_stays_in_memory(story):
    kept = _played(story().enrol(2), 5).state.rounds
    other = with_rounds(kept, {2: kept[1]})
    away = put_away(other, kept, upto=3, read=Shelf(kept))
    assert set(away.held) == {2, 4, 5}
    assert away[2] is kept[1]
    assert len(away) == 5
    # once that is written too, it may go
    later = put_away(away, away, upto=4, read=Shelf(other))
    assert (set(later.held), later[2]) == ({5}, kept[1])


def test_only_what_is_held_can_have_changed(story):
    tale = _played(story().enrol(2), 5)
    rounds = tale.state.rounds
    shelf = Shelf(rounds)
    away = put_away(rounds, rounds, upto=3, read=shelf)
    assert changed_rounds(away, away) == set()
    more = with_rounds(away, {5: rounds[4], 6: rounds[5]})
    assert changed_rounds(more, away) == {5, 6}
    assert changed_rounds(with_rounds(away, {1: rounds[2]}), away) == {1}
    assert isinstance(more, KeptRounds)
    assert shelf.asked == []


def test_a_task_goes_on_the_same_whatever_of_it_is_in_memory(story):
    """And the fold reads no old round to add a new one."""
    whole, light = _played(story().enrol(2), 12), _played(story().enrol(2), 12)
    parts = state_to_parts(whole.state)
    asked = []

    def read(kind, number):
        asked.append(number)
        return round_from_bytes(kind, parts.rounds[number])

    light.state = state_from_parts(parts, read=read)
    assert set(light.state.rounds.held) == set(range(12 - HELD_ROUNDS + 1, 13))
    # what ``Story.tell`` asserts of every state reads all rounds
    events = [whole.event(kind, **fields) for kind, fields in _thirteenth(whole)]
    assert fold(light.state, events).rounds.held.keys() == {*range(5, 14)}
    assert asked == []
    assert fold(light.state, events) == fold(whole.state, events)
    assert set(asked) == {1, 2, 3, 4}


def _thirteenth(tale):
    yield e.RoundStarted, {"round": 13, "model": tale.state.model, "deadline": 26000, "cohort": (0, 1)}


def test_a_round_that_is_missing_where_it_is_kept_is_found_at_once(story):
    parts = state_to_parts(_played(story().enrol(2), 12).state)
    rounds = {number: data for number, data in parts.rounds.items() if number != 3}
    with pytest.raises(MalformedState, match="other rounds"):
        state_from_parts(StateParts(head=parts.head, rounds=rounds), read=lambda kind, number: None)
