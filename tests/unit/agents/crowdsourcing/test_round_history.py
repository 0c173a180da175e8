# SPDX-License-Identifier: Apache-2.0
"""What a defence remembers is found again from records: what is at hand is not judged twice, all else is."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.crowdsourcing.memory_folder import MemoryFolder
from bcfl.agents.crowdsourcing.round_history import RoundHistory
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.state import UpdateRecord
from bcfl.models.defences.defence import Memory, Standing


@pytest.fixture
def rounds(content):
    return {
        number: CrowdRound(
            number=number,
            start_model=content(f"model {number - 1}"),
            cohort=(0, 1),
            updates={n: UpdateRecord(content=content(f"{number} of {n}"), position=n) for n in (0, 1)},
            model=content(f"model {number}"),
            report=content(f"report {number}"),
        )
        for number in range(1, 7)
    }


class Judge:
    """Writes down which rounds it judged; what it remembers is the sum of their numbers."""

    def __init__(self):
        self.asked = []

    async def __call__(self, record, memory):
        self.asked.append(record.number)
        return _memory(_sum(memory) + record.number)


def _memory(amount):
    return Memory(standings={0: Standing(suspicion=amount)})


def _sum(memory):
    return memory.standings.get(0, Standing()).suspicion


@pytest.mark.asyncio
async def test_who_was_there_judges_nothing_twice(rounds):
    judge = Judge()
    history = RoundHistory()
    for number in range(1, 7):
        assert _sum(await history.before(rounds, number, judge)) == sum(range(number))
        await history.remember(rounds[number], _memory(sum(range(number + 1))))
    assert judge.asked == []


@pytest.mark.asyncio
async def test_a_newcomer_judges_all_rounds_anew_and_comes_to_the_same(rounds):
    judge = Judge()
    assert _sum(await RoundHistory().before(rounds, 6, judge)) == 15
    assert judge.asked == [1, 2, 3, 4, 5]


@pytest.mark.asyncio
async def test_it_can_go_back_further_than_it_remembers(rounds):
    """A reorganisation of several rounds."""
    judge = Judge()
    history = RoundHistory()
    await history.before(rounds, 6, judge)
    judge.asked.clear()
    assert _sum(await history.before(rounds, 2, judge)) == 1
    assert _sum(await history.before(rounds, 6, judge)) == 15


@pytest.mark.parametrize(
    "changed",
    [
        lambda record, content: {
            "updates": {**record.updates, 0: UpdateRecord(content=content("x"), position=0)}
        },
        lambda record, content: {
            "updates": {
                n: dataclasses.replace(update, position=1 - n) for n, update in record.updates.items()
            }
        },
        lambda record, content: {"cohort": (0, 1, 2)},
        lambda record, content: {"suspended_before": (4,)},
        lambda record, content: {"start_model": content("another")},
    ],
    ids=["update", "order", "cohort", "suspended", "start"],
)
@pytest.mark.asyncio
async def test_another_round_of_the_same_number_is_judged_anew(rounds, content, changed):
    judge = Judge()
    history = RoundHistory()
    await history.before(rounds, 3, judge)
    other = dataclasses.replace(rounds[2], **changed(rounds[2], content))
    await history.before(rounds | {2: other}, 3, judge)
    assert judge.asked == [1, 2, 2]


@pytest.mark.asyncio
async def test_a_void_round_is_not_judged(rounds):
    judge = Judge()
    void = dataclasses.replace(rounds[2], updates={}, report=None)
    await RoundHistory().before(rounds | {2: void}, 4, judge)
    assert judge.asked == [1, 3]


@pytest.mark.asyncio
async def test_a_round_whose_model_was_reverted_is_no_past(rounds):
    judge = Judge()
    reverted = dataclasses.replace(rounds[2], reverted=True)
    await RoundHistory().before(rounds | {2: reverted}, 4, judge)
    assert judge.asked == [1, 3]


@pytest.mark.asyncio
async def test_who_is_started_again_judges_what_has_come_since_and_no_more(rounds, tmp_path):
    judge = Judge()
    before = RoundHistory(MemoryFolder(tmp_path))
    await before.before(rounds, 5, judge)
    judge.asked.clear()
    again = RoundHistory(MemoryFolder(tmp_path))
    assert _sum(await again.before(rounds, 6, judge)) == 15
    assert judge.asked == [5]


@pytest.mark.asyncio
async def test_what_was_kept_of_a_round_that_a_reorganisation_changed_is_not_believed(
    rounds, tmp_path, content
):
    judge = Judge()
    await RoundHistory(MemoryFolder(tmp_path)).before(rounds, 3, judge)
    other = {2: dataclasses.replace(rounds[2], start_model=content("another"))}
    judge.asked.clear()
    await RoundHistory(MemoryFolder(tmp_path)).before(rounds | other, 3, judge)
    assert judge.asked == [1, 2]


@pytest.mark.asyncio
async def test_rounds_that_do_not_count_cannot_wipe_what_is_remembered(rounds):
    """An objection leaves two of them in a row: the one that was reverted, and the one that was void."""
    judge, history = Judge(), RoundHistory()
    for number in (1, 2, 3):
        await history.before(rounds, number, judge)
        await history.remember(rounds[number], _memory(sum(range(number + 1))))
    rounds[4] = dataclasses.replace(rounds[4], reverted=True)
    rounds[5] = dataclasses.replace(rounds[5], report=None)
    assert _sum(await history.before(rounds, 6, judge, since=5)) == 6
    assert judge.asked == []


@pytest.mark.asyncio
async def test_what_is_gone_is_not_judged_anew(rounds):
    judge = Judge()
    assert _sum(await RoundHistory().before(rounds, 6, judge, since=4)) == 9
    assert judge.asked == [4, 5]
