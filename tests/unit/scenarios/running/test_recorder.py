# SPDX-License-Identifier: Apache-2.0
"""What is written into the event log, and when."""

from __future__ import annotations

import pytest

from bcfl.contracts.delivery import Batch, BlockRef, Level
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.running.progress import AgentChanged
from bcfl.scenarios.running.recorder import Recorder

BLOCK = BlockRef(7, "0x7", "0x6", 1007)


@pytest.fixture
def written():
    return []


def recorder(written, *, at_once=False, watch=lambda _: None):
    return Recorder(append=written.append, results=Results(), watch=watch, at_once=at_once)


def decide(made, agent, name="training"):
    made.decided(agent=agent, role="trainer", name=name, round_number=1, evidence={})


def test_what_agents_did_between_two_blocks_is_written_sorted_at_the_second(written):
    made = recorder(written)
    decide(made, "cyd")
    decide(made, "ann", "trained")
    decide(made, "ann", "misbehaving")
    assert written == []
    made.delivered(Batch(block=BLOCK, level=Level.SEEN, events=()))
    assert [(record["source"], record["event"]) for record in written] == [
        ("ann", "misbehaving"),
        ("ann", "trained"),
        ("cyd", "training"),
    ]


def test_a_process_that_may_be_killed_writes_at_once(written):
    made = recorder(written, at_once=True)
    made.delivered(Batch(block=BLOCK, level=Level.SEEN, events=()))
    decide(made, "cyd")
    made.transacted(
        agent="cyd", role="trainer", name="commit", round_number=1, status="included", gas=5, reason=""
    )
    assert [(record["event"], record["block"], record["time"]) for record in written] == [
        ("training", 7, 1007),
        ("transaction", 7, 1007),
    ]


def test_what_another_process_wrote_stays_as_it_is(written):
    record = {"event": "misbehaving", "source": "cyd", "role": "trainer", "round": 2, "block": 3, "time": 1}
    results = Results()
    made = Recorder(append=written.append, results=results, watch=lambda _: None)
    made.take_over([record])
    assert written == [record]
    assert results.misbehaving("cyd") == (2,)


def test_a_measure_that_is_no_number_is_null(written):
    recorder(written).measured("models_measured", models={"0": {"loss": float("nan"), "accuracy": 0.5}})
    assert written == [
        {
            "event": "models_measured",
            "source": "runner",
            "block": 0,
            "time": 0,
            "models": {"0": {"loss": None, "accuracy": 0.5}},
        }
    ]


def test_a_judge_is_seen_at_work(written):
    seen = []
    made = recorder(written, watch=seen.append)
    for name in ("judging", "judged", "aggregated"):
        decide(made, "ann", name)
    assert [(event.name, event.activity) for event in seen if isinstance(event, AgentChanged)] == [
        ("ann", "scoring"),
        ("ann", "scored"),
        ("ann", "aggregated"),
    ]
