# SPDX-License-Identifier: Apache-2.0
"""A refused transaction rests, longer each time, until the task has moved on."""

from bcfl.agents.runtime.resting import Resting
from bcfl.chain.outbox import ActionKey

KEY, OTHER = ActionKey("ann", "0x1", 1, "reveal"), ActionKey("ann", "0x1", 1, "commit")


def test_it_rests_twice_as_long_each_time_and_half_a_minute_at_most():
    resting, now, pauses = Resting(2.0), 100.0, []
    for _ in range(7):
        resting.refused(KEY, now)
        assert resting.rests(KEY)
        assert not resting.rests(OTHER)
        pauses.append(resting.due() - now)
        now = resting.due()
        resting.wake(now - 0.01)
        assert resting.rests(KEY)
        resting.wake(now)
        assert not resting.rests(KEY)
        assert resting.due() is None
    assert pauses == [2, 4, 8, 16, 30, 30, 30]


def test_in_another_phase_it_is_tried_at_once_and_in_the_same_it_is_not():
    resting = Resting(2.0)
    resting.moved((1, "training", 50))
    resting.refused(KEY, 0.0)
    resting.moved((1, "training", 50))
    assert resting.rests(KEY)
    resting.moved((1, "reveal", 90))
    assert not resting.rests(KEY)
    resting.refused(KEY, 5.0)
    assert resting.due() == 7.0  # as if for the first time


def test_the_first_one_that_is_due_is_the_next():
    resting = Resting(1.0)
    resting.refused(KEY, 0.0)
    resting.refused(OTHER, 0.5)
    assert resting.due() == 1.0
    resting.wake(1.0)
    assert (resting.due(), resting.rests(KEY), resting.rests(OTHER)) == (1.5, False, True)
