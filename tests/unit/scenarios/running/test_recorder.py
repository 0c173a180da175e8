# SPDX-License-Identifier: Apache-2.0
"""What is written into the event log, and when."""

from __future__ import annotations

import pytest

from bcfl.contracts import events
from bcfl.contracts.delivery import Batch, BlockRef, EventOrigin, Level
from bcfl.contracts.phases import Phase
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


def phase_started(block, place):
    origin = EventOrigin(block=block, log_index=place, transaction="0xaa", address="0xbb")
    return events.PhaseStarted(origin=origin, round=1, phase=Phase.REVEAL, deadline=99)


def test_what_the_log_has_from_before_a_kill_is_not_written_again(written):
    before = recorder(written)
    known = phase_started(BLOCK, 0)
    before.delivered(Batch(block=BLOCK, level=Level.SEEN, events=(known,)))
    decide(before, "ann")
    decide(before, "ann", "commit")
    before.flush()
    kept = list(written)
    seen = []
    after = recorder(written, watch=seen.append)
    after.take_up(kept, until=7)
    assert [event.phase for event in seen] == ["reveal"]
    after.delivered(Batch(block=BLOCK, level=Level.SEEN, events=(known, phase_started(BLOCK, 1))))
    decide(after, "ann")
    decide(after, "ann", "commit")
    after.flush()
    # only what was cut off: the other event of the block
    assert [record["event"] for record in written[len(kept) :]] == ["PhaseStarted"]
    after.delivered(Batch(block=BlockRef(8, "0x8", "0x7", 1008), level=Level.SEEN, events=()))
    decide(after, "ann")  # work that is done again later is still the same work
    decide(after, "ann", "commit")  # a call that is sent again in a later block is another one
    after.flush()
    assert [record["event"] for record in written[len(kept) :]] == ["PhaseStarted", "commit"]


def test_a_block_of_the_same_number_on_another_branch_is_written(written):
    before = recorder(written)
    before.delivered(Batch(block=BLOCK, level=Level.SEEN, events=(phase_started(BLOCK, 0),)))
    kept = list(written)
    after = recorder(written)
    after.take_up(kept, until=7)
    after.retract([7])
    other = BlockRef(7, "0x7b", "0x6", 1007)
    after.delivered(Batch(block=other, level=Level.SEEN, events=(phase_started(other, 0),)))
    assert [record["event"] for record in written] == ["PhaseStarted", "retracted", "PhaseStarted"]


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
