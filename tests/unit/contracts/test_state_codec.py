# SPDX-License-Identifier: Apache-2.0
"""A task's state as bytes: nothing is lost; that each state of any story survives, ``Story.tell`` asserts."""

from __future__ import annotations

import dataclasses
import json
from types import MappingProxyType

import pytest

from bcfl.contracts import state_codec
from bcfl.contracts.errors import MalformedState
from bcfl.contracts.phases import Phase
from bcfl.contracts.state_codec import StateParts, state_from_parts, state_to_parts


def test_a_state_goes_on_as_the_one_that_was_kept(story, consortium):
    for tale in (story().enrol(3).start(), consortium().enrol().trained("a", "b", "c")):
        again = state_from_parts(state_to_parts(tale.state))
        assert type(again) is type(tale.state)
        assert type(again.current) is type(tale.state.current)
        assert again.owners.mutate().finish() == tale.state.owners
    tale = consortium().enrol().trained("a", "b", "c")
    other = consortium().enrol().trained("a", "b", "c")
    other.state = state_from_parts(state_to_parts(other.state))
    assert tale.commit_scores(2, 0).state == other.commit_scores(2, 0).state


def test_the_order_of_votes_is_kept(consortium):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(2, 0)
    again = state_from_parts(state_to_parts(tale.state))
    assert list(again.current.score_commitments) == list(tale.state.current.score_commitments) == [2, 0]
    assert not isinstance(again.current.score_commitments, MappingProxyType)


def test_what_another_version_knew_is_read_anew(story, monkeypatch):
    kept = state_to_parts(story().enrol(2).state)
    monkeypatch.setattr(state_codec, "_form", lambda: "another")
    with pytest.raises(MalformedState, match="knew other things"):
        state_from_parts(kept)


@pytest.mark.parametrize(
    "spoil", [lambda r: r.pop("form"), lambda r: r["state"].pop("round"), lambda r: r.update(kind="club")]
)
def test_damage_is_named(story, spoil):
    parts = state_to_parts(story().enrol(2).state)
    record = json.loads(parts.head)
    spoil(record)
    with pytest.raises(MalformedState):
        state_from_parts(dataclasses.replace(parts, head=json.dumps(record).encode()))
    with pytest.raises(MalformedState):
        state_from_parts(dataclasses.replace(parts, head=b"\x00"))


def _played(story, rounds):
    tale = story().enrol(2)
    for number in range(1, rounds + 1):
        tale.start(number).commit(0, 1).phase(Phase.REVEAL).submit(0, f"{number}/0").submit(1, f"{number}/1")
        tale.phase(Phase.EVALUATION).evaluate([1, 1], 100).finalise(f"model {number}", 100)
    return tale


def test_a_round_that_is_over_is_not_written_out_again(story):
    tale = _played(story, 2)
    before, kept = tale.state, state_to_parts(tale.state)
    assert set(kept.rounds) == {0, 1, 2}
    tale.start(3)
    later = state_to_parts(tale.state, since=before)
    assert set(later.rounds) == {3}
    whole = StateParts(head=later.head, rounds={**kept.rounds, **later.rounds})
    assert state_from_parts(whole) == tale.state
    assert state_to_parts(tale.state, since=tale.state).rounds == {}


def test_a_digest_that_becomes_somebody_s_is_written_though_its_round_reads_as_before(story):
    tale = _played(story, 1)
    before, kept = tale.state, state_to_parts(tale.state)
    state = dataclasses.replace(before, owners=before.owners.set(b"d" * 32, (1, 7, None)))
    later = state_to_parts(state, since=before)
    assert set(later.rounds) == {1}
    assert state_from_parts(StateParts(head=later.head, rounds={**kept.rounds, **later.rounds})) == state


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.update({3: r[2]}),
        lambda r: r.pop(1),
        lambda r: r.update({2: b"{"}),
        lambda r: r.update({2: b"[7, []]"}),
    ],
)
def test_a_round_that_is_missing_or_damaged_is_named(story, spoil):
    parts = state_to_parts(_played(story, 2).state)
    rounds = dict(parts.rounds)
    spoil(rounds)
    with pytest.raises(MalformedState):
        state_from_parts(dataclasses.replace(parts, rounds=rounds))
