# SPDX-License-Identifier: Apache-2.0
"""The honest among themselves: no rank drops them for good, no rounding erases their work (E10, E11)."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anvil


def test_a_selection_by_score_seats_members_and_drops_none(play, honest):
    """E10: after every round BCFL_framework drops one of six for ever."""
    played = play(honest("a b c d e f"), rounds=8, selection={"rule": "score_order", "cohort": 5})
    assert all(len(record.cohort) == 5 for record in played.state.rounds.values())
    assert all(member.active and not member.suspended_until for member in played.state.members.values())
    out = [set(range(6)) - set(record.cohort) for record in played.state.rounds.values()]
    assert len(set.union(*out)) > 1  # who sat out last came back
    assert all(played.tokens(name) > 0 for name in "abcdef")


def test_small_steps_of_honest_work_are_kept(play, honest):
    """E11: an aggregate rounded to two decimals would not move at all."""
    played = play(honest("bob charlie"), rounds=1, training={"batch_size": 20, "learning_rate": 0.00005})
    assert played.improved
    assert played.tokens("bob") > 0
