# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.views.run.board import Board
from bcfl.views.run.pace import Pace, clock_words


def test_a_phase_is_expected_to_take_what_it_took_in_the_round_before():
    pace = Pace()
    for now, round_number, phase in ((10, 1, "training"), (40, 1, "reveal"), (41, 2, "training")):
        pace = pace.following(Board(round=round_number, phase=phase), now)
    assert pace.following(Board(round=2, phase="training"), 50) is pace
    assert pace.so_far(51) == 10
    assert pace.left(51, done=0, of=6) == 20
    # longer than before: by how much is done, and nothing where nothing is
    assert pace.left(81, done=4, of=6) == 20
    assert pace.left(81, done=0, of=6) is None


def test_the_first_time_the_rate_so_far_counts_once_there_is_one():
    pace = Pace().following(Board(round=1, phase="training"), 100)
    assert pace.left(100.5, done=1, of=4) is None
    assert pace.left(110, done=1, of=4) == 30
    assert pace.left(110, done=4, of=4) is None
    assert pace.left(110, done=0, of=0) is None


@pytest.mark.parametrize(("seconds", "words"), [(7.9, "0:07"), (750, "12:30"), (3723, "1:02:03")])
def test_seconds_in_words(seconds, words):
    assert clock_words(seconds) == words
