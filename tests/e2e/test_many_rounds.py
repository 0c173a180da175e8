# SPDX-License-Identifier: Apache-2.0
"""A task may have any number of rounds: what is over leaves memory, but for one record a round and its log."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

import pytest

from bcfl.agents.runtime.actions import Work
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.scenarios import load, run
from bcfl.scenarios.running.progress import RoundDone

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"
OPTIONS = ("task.rounds=40", "data.dataset.samples=180", "data.dataset.test_samples=60")


@pytest.mark.anvil
@pytest.mark.asyncio
async def test_states_and_results_do_not_gather(tmp_path):
    alive = {}

    def look(event):
        if isinstance(event, RoundDone) and event.summary.round in {10, 38}:
            gc.collect()
            alive[event.summary.round] = Counter(
                next((kind for kind in (TaskState, Work, RoundRecord) if issubclass(type(one), kind)), None)
                for one in gc.get_objects()
            )

    await run(load(QUICK, OPTIONS), out=tmp_path / "run", observer=look)
    early, late = alive[10], alive[38]
    assert 0 < late[TaskState] <= early[TaskState] + 5
    assert 0 < late[Work] <= early[Work] + 5
    # Live, final, and as the run's own tables have it: a few of each of the newest rounds, one or two of every other.
    assert late[RoundRecord] - early[RoundRecord] <= 2 * 28 + 10
