# SPDX-License-Identifier: Apache-2.0
"""A task's state as bytes: nothing is lost; that each state of any story survives, ``Story.tell`` asserts."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from bcfl.contracts import state_codec
from bcfl.contracts.errors import MalformedState
from bcfl.contracts.state_codec import state_from_bytes, state_to_bytes


def test_a_state_goes_on_as_the_one_that_was_kept(story, consortium):
    for tale in (story().enrol(3).start(), consortium().enrol().trained("a", "b", "c")):
        again = state_from_bytes(state_to_bytes(tale.state))
        assert type(again) is type(tale.state)
        assert type(again.current) is type(tale.state.current)
        assert again.owners.mutate().finish() == tale.state.owners
    tale = consortium().enrol().trained("a", "b", "c")
    other = consortium().enrol().trained("a", "b", "c")
    other.state = state_from_bytes(state_to_bytes(other.state))
    assert tale.commit_scores(2, 0).state == other.commit_scores(2, 0).state


def test_the_order_of_votes_is_kept(consortium):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(2, 0)
    again = state_from_bytes(state_to_bytes(tale.state))
    assert list(again.current.score_commitments) == list(tale.state.current.score_commitments) == [2, 0]
    assert not isinstance(again.current.score_commitments, MappingProxyType)


def test_what_another_version_knew_is_read_anew(story, monkeypatch):
    kept = state_to_bytes(story().enrol(2).state)
    monkeypatch.setattr(state_codec, "_form", lambda: "another")
    with pytest.raises(MalformedState, match="knew other things"):
        state_from_bytes(kept)


@pytest.mark.parametrize(
    "spoil", [lambda r: r.pop("form"), lambda r: r["state"].pop("round"), lambda r: r.update(kind="club")]
)
def test_damage_is_named(story, spoil):
    record = json.loads(state_to_bytes(story().enrol(2).state))
    spoil(record)
    with pytest.raises(MalformedState):
        state_from_bytes(json.dumps(record).encode())
    with pytest.raises(MalformedState):
        state_from_bytes(b"\x00")
