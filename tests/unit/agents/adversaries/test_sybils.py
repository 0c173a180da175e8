# SPDX-License-Identifier: Apache-2.0
"""Several accounts of one participant: one piece of work in several bodies, one account after the other."""

from __future__ import annotations

import dataclasses

import anyio
import numpy as np
import pytest

from bcfl.agents.adversaries.sybils import SybilSplit, Whitewasher
from bcfl.agents.common.circle import Circle
from bcfl.agents.runtime.actions import Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.ids import Address

ACCOUNTS = {f"eve-{n + 1}": Address(f"0x{n + 1:040x}") for n in range(3)}  # members 0, 1, 2
JOIN = Transact(round=0, name="join", call=calls.advance(ACCOUNTS["eve-1"]))


async def _all(behaviour, turn_of, **options):
    circle = Circle(ACCOUNTS)
    turns = [turn_of(name, index=n, circle=circle, seed=n, **options) for n, name in enumerate(ACCOUNTS)]
    models = {}

    async def act(turn):
        models[turn.name] = await behaviour.update(turn)

    async with anyio.create_task_group() as group:
        for turn in reversed(turns):
            group.start_soon(act, turn)
    steps = {name: model.vector - turns[0].start.vector for name, model in models.items()}
    return turns, [steps[name] for name in ACCOUNTS]


@pytest.mark.asyncio
async def test_one_trains_and_all_hand_in_its_update_in_bodies_of_their_own(turn_of):
    turns, steps = await _all(SybilSplit(dither=0.01), turn_of)
    assert [turn.engine.trained for turn in turns] == [1, 0, 0]
    for step in steps:
        assert np.linalg.norm(step - 1) / np.sqrt(step.size) == pytest.approx(0.01, rel=0.5)
    assert not np.array_equal(steps[0], steps[1])


@pytest.mark.asyncio
async def test_divided_the_parts_add_up_to_the_update(turn_of):
    _, steps = await _all(SybilSplit(dither=0, divide=True), turn_of)
    assert np.allclose(sum(steps), 1, atol=1e-5)
    assert np.allclose(steps[0], 1 / 3, atol=1e-5)


@pytest.mark.asyncio
async def test_alone_it_is_one_honest_trainer(turn_of):
    turn = turn_of("bob")
    model = await SybilSplit(dither=0).update(turn)
    assert turn.engine.trained == 1
    assert np.allclose(model.vector - turn.start.vector, 1, atol=1e-6)


@pytest.mark.asyncio
async def test_without_the_leaders_model_nobody_hands_in(turn_of):
    circle = Circle(ACCOUNTS)
    leader, follower = turn_of("eve-1", circle=circle), turn_of("eve-2", index=1, circle=circle)
    leader.share(None)
    turn_of("eve-3", index=2, circle=circle).share(None)
    assert await SybilSplit().update(follower) is None


# ---------------------------------------------------------------- whitewasher


def _decide(state, me, actions=(JOIN,), accounts=ACCOUNTS):
    view = View(seen=state, final=state, now=0)
    return list(Whitewasher().decide(view, me, list(actions), Circle(accounts)))


def test_only_the_first_account_joins_at_once(story):
    state = story().state
    assert _decide(state, ACCOUNTS["eve-1"]) == [JOIN]
    assert _decide(state, ACCOUNTS["eve-2"]) == []
    assert _decide(story().enrol(1).start().state, ACCOUNTS["eve-2"]) == []


@pytest.mark.parametrize(
    "burnt",
    [
        (e.TrainerSuspended, {"until_round": 4, "reason": 4, "evidence": bytes(32)}),
        (e.TrainerEjected, {"reason": 4, "evidence": bytes(32), "forfeited": 0}),
    ],
)
def test_the_next_account_joins_when_the_one_before_is_burnt(burnt, story):
    kind, fields = burnt
    tale = story().enrol(1).start().tell(kind, round=1, index=0, **fields)
    assert _decide(tale.state, ACCOUNTS["eve-2"]) == [JOIN]
    assert _decide(tale.state, ACCOUNTS["eve-3"]) == []  # eve-2 has not even joined


def test_a_member_takes_part_and_a_loner_joins_as_everybody_does(story):
    work = Work(round=1)
    state = story().enrol(1).start().state
    assert _decide(state, ACCOUNTS["eve-1"], [work]) == [work]
    view = View(seen=state, final=state, now=0)
    assert Whitewasher().decide(view, ACCOUNTS["eve-2"], [JOIN]) == [JOIN]


@pytest.mark.asyncio
async def test_it_does_no_work_and_sends_new_bytes(turn_of):
    turn = turn_of()
    model = await Whitewasher(noise=0.001).update(turn)
    assert turn.engine.trained == 0
    difference = model.vector - turn.start.vector
    assert 0 < np.abs(difference).max() < 0.01
    other = await dataclasses.replace(Whitewasher(), noise=0.0).update(turn)
    assert np.array_equal(other.vector, turn.start.vector)
