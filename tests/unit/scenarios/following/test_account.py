# SPDX-License-Identifier: Apache-2.0
"""What an account did in a task: handed in, committed only, or stayed away; and why it was paid nothing."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId
from bcfl.scenarios.following.account import account_rounds
from bcfl.storage.errors import ContentNotFound

MODEL, REPORT = ContentId(b"m" * 32, 10), ContentId(b"r" * 32, 20)


class Retrieval:
    def __init__(self, report):
        self.report = report

    async def content(self, content, *, max_bytes):
        assert content == REPORT
        assert max_bytes
        if self.report is None:
            raise ContentNotFound
        return self.report


@pytest.fixture
def state(story):
    """One round of three members: the first has handed in, the second committed, the third did nothing."""
    state = story().enrol(3).start().commit(0, 1).submit(0, "a").state
    record = dataclasses.replace(
        state.current, model=MODEL, report=REPORT, scores={0: 500_000_000}, credits={0: 7}
    )
    return dataclasses.replace(state, rounds={1: record})


def _report(**more):
    return EvaluationReport(
        round=1, start_model=MODEL, model=MODEL, scores={0: 0}, weights={}, validation_samples=9, **more
    ).encode()


async def _rounds(state, index, report):
    account = state.members[index].account
    return [one async for one in account_rounds(state, account, Retrieval(report))]


@pytest.mark.asyncio
async def test_each_member_s_part_is_told(state):
    (first,) = await _rounds(state, 0, _report(rejected={0: "harmful"}, evidence={0: {"certainty": -2.5}}))
    assert (first.round, first.did, first.score, first.credited) == (1, "handed_in", 0.5, 7)
    assert (first.rejected, first.evidence) == ("harmful", {"certainty": -2.5})
    (second,) = await _rounds(state, 1, _report())
    assert (second.did, second.score, second.credited, second.rejected) == ("committed", None, 0, None)
    (third,) = await _rounds(state, 2, _report())
    assert third.did == "absent"


@pytest.mark.asyncio
@pytest.mark.parametrize("report", [None, b"no report"])
async def test_without_the_report_the_chain_still_tells(state, report):
    (first,) = await _rounds(state, 0, report)
    assert (first.did, first.credited, first.rejected, first.evidence) == ("handed_in", 7, None, {})


@pytest.mark.asyncio
async def test_a_stranger_has_no_part_and_a_round_under_way_is_not_told(state, story):
    assert [one async for one in account_rounds(state, "0x" + "9" * 40, Retrieval(None))] == []
    under_way = story().enrol(1).start().state
    assert await _rounds(under_way, 0, None) == []
