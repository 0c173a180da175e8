# SPDX-License-Identifier: Apache-2.0
"""The evaluator's ranking: the newcomers first, then the best."""

from __future__ import annotations

import pytest

from bcfl.agents.crowdsourcing.selection import rank
from bcfl.contracts import events as e


@pytest.mark.parametrize(
    ("size", "scores", "sanctioned", "chosen"),
    [
        (2, {0: 1, 1: 3, 2: 2, 3: 4}, (), (1, 3)),
        (2, {0: 5, 1: 5, 2: 5, 3: 5}, (), (0, 1)),  # a tie goes to who joined first
        (2, {0: 1, 1: 3}, (), (2, 3)),  # who has no score yet has the first chance
        (3, {0: 1, 1: 3}, (), (1, 2, 3)),
        (2, {0: 1, 1: 3, 2: 2, 3: 4}, (3,), (1, 2)),
        (9, {0: 1, 1: -3, 2: 2, 3: 4}, (), (0, 1, 2, 3)),
        (1, {0: -1, 1: -2, 2: -3, 3: -4}, (), (0,)),
    ],
)
def test_the_next_cohort(story, size, scores, sanctioned, chosen):
    state = story(cohort_size=size).enrol(4).start().state
    assert rank(state, scores, sanctioned) == chosen


def test_the_suspended_the_ejected_and_those_who_left_are_not_chosen(story):
    tale = story(cohort_size=5).enrol(5).start(cohort=(0, 1, 4))
    tale.tell(e.TrainerSuspended, round=1, index=1, until_round=4, reason=6, evidence=bytes(32))
    tale.tell(e.TrainerEjected, round=1, index=2, reason=6, evidence=bytes(32), forfeited=0)
    tale.tell(e.TrainerLeft, index=3, forfeited=0)
    assert rank(tale.state, {}, ()) == (0, 4)


def test_the_latest_score_of_a_member_counts(story):
    tale = (
        story(cohort_size=1, unique_digests=False).enrol(2).start().commit(0, 1).submit(0, "a").submit(1, "b")
    )
    tale.evaluate([100, 1], 900).finalise("m").start(2, cohort=(0,))
    assert rank(tale.state, {}, ()) == (0,)
    assert rank(tale.state, {0: 0}, ()) == (1,)
    assert tale.state.rounds[1].scores == {0: 100, 1: 1}
