# SPDX-License-Identifier: Apache-2.0
"""Busy time is wall time: overlapping work counts once."""

from __future__ import annotations

import pytest

from bcfl.models.training.busy import BusyClock


def test_overlapping_work_counts_once_and_kinds_apart():
    now = 0.0
    clock = BusyClock(lambda: now)
    with clock.under_way("training"):
        now = 1.0
        with clock.under_way("training"), clock.under_way("scoring"):
            now = 3.0
        now = 4.0
        assert clock.seconds() == {"training": 4.0, "scoring": 2.0, "evaluation": 0.0}
    now = 10.0
    assert clock.seconds()["training"] == 4.0


def test_work_that_fails_is_counted_too():
    now = 0.0
    clock = BusyClock(lambda: now)

    def fail():
        nonlocal now
        with clock.under_way("evaluation"):
            now = 2.0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    now = 5.0
    assert clock.seconds()["evaluation"] == 2.0
