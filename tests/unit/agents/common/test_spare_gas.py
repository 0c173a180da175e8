# SPDX-License-Identifier: Apache-2.0
"""What calls may cost beyond an estimate is above what the contracts' own tests measure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from bcfl.agents.common.spare_gas import after_the_last_act, after_the_round
from bcfl.contracts.phases import Selection

LARGEST = json.loads((Path(__file__).parents[4] / "contracts" / "gas" / "largest.json").read_text())
CAP = 16_777_216


@pytest.fixture
def largest(story):
    """The task of ``contracts/test/Cap.t.sol``: 65,536 indices, a cohort of 2,048."""
    tale = story(selection=Selection.RANDOM, cohort_size=2_048, capacity=65_536).enrol(1).start()
    members = dict.fromkeys(range(65_536), tale.state.members[0])
    return dataclasses.replace(tale.state, members=members)


def test_whoever_decides_an_objection_or_ends_a_round_has_enough(largest):
    ends = ("deciding objection", "void round, everybody's suspension ends")
    assert after_the_round(largest) >= max(LARGEST[name] for name in ends)
    assert after_the_round(largest) < CAP, "a limit above it is refused"


def test_whoever_commits_last_can_ask_whether_objections_could_prevail(largest):
    """Three slots and two counts of bits a word, and the phase that begins."""
    assert after_the_last_act(largest) >= 256 * 3 * 2_100 + 256 * 1_500


def test_a_small_task_asks_for_little(story):
    state = story().enrol(10).start().state
    assert after_the_last_act(state) < 50_000
    assert after_the_round(state) < 300_000
