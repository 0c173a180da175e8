# SPDX-License-Identifier: Apache-2.0
"""A consortium's vocabulary against the contract on a real anvil: what Python hashes, sends and folds is what it says.

After each block the folded state is compared with all of the task's views, and each settlement with
``contracts.settlement`` (``played_consortium.py``); what the contract refuses is in its own tests.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import pytest_asyncio

from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.abi import encode_call
from bcfl.contracts.calls import Call
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.phases import CancelReason, Phase, Reason

_spec = importlib.util.spec_from_file_location(
    "bcfl_test_played_consortium", Path(__file__).with_name("played_consortium.py")
)
_played = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_played)
CONTRACT, UNIT, ConsortiumStage, content = (
    _played.CONTRACT,
    _played.UNIT,
    _played.ConsortiumStage,
    _played.content,
)

pytestmark = pytest.mark.anvil


@pytest_asyncio.fixture
async def stage(node):
    return await ConsortiumStage.open(node, people=6)


async def _trained(stage, members, name="update"):
    """All train, and nothing is left but to judge."""
    updates = {index: content(f"{name} {stage.state.round} {index}") for index in members}
    await stage.commit(updates)
    await stage.reveal(updates)
    assert stage.state.phase is Phase.EVALUATION


async def _judged(stage, vectors, probes=None):
    await stage.commit_scores(vectors, probes)
    await stage.reveal_scores(vectors, probes)
    assert stage.state.phase is Phase.AGGREGATION


@pytest.mark.asyncio
async def test_members_judge_each_other_and_agree_on_the_model(stage):
    await stage.create(rounds=2, stake=700, vesting_rounds=1)
    assert isinstance(stage.state, ConsortiumState)
    assert stage.state.allowed == {person.address for person in stage.people[1:4]}
    assert await stage.refused(4, calls.join(stage.task, stage.people[4].address))
    await stage.enrol()
    assert stage.state.phase is Phase.TRAINING
    assert [member.bond for member in stage.state.members.values()] == [5_000] * 3

    await _trained(stage, range(3))
    vectors = {0: (10, 10), 1: (40, 10), 2: (40, -7)}
    for index, scores in vectors.items():
        await stage.commit_scores({index: scores})
    assert stage.state.phase is Phase.SCORE_REVEAL
    assert await stage.refused(0, stage.opening(0, (10, 11)))
    assert await stage.refused(0, stage.opening(0, (10, 10), probe=bytes(32)))
    await stage.reveal_scores(vectors)
    record = stage.state.current
    assert record.vectors == {0: {1: 10, 2: 10}, 1: {0: 40, 2: 10}, 2: {0: 40, 1: -7}}
    assert record.scores[0] > record.scores[2] > record.scores[1] > 0
    assert record.payout == 10**8
    assert 0 < sum(record.evaluation_pay.values()) < 9 * 10**7

    await stage.vote_model({2: "other", 0: "model 1"})
    assert await stage.refused(*stage.model_vote(0, "model 1"))
    assert stage.state.phase is Phase.AGGREGATION
    await stage.vote_model({1: "model 1"})
    record = stage.state.rounds[1]
    assert record.model_votes == {2: content("other"), 0: content("model 1"), 1: content("model 1")}
    assert record.model == stage.state.model == content("model 1")
    paid = record.payout + sum(record.evaluation_pay.values())
    assert stage.events[-2].payout == paid, "RoundFinalized says both"

    # The second round sends the first's model back: a member who does is no target.
    updates = {0: content("model 1"), 1: content("b"), 2: content("c")}
    await stage.commit(updates)
    await stage.reveal(updates)
    assert stage.state.current.targets == (1, 2)
    await _judged(stage, {0: (3, 1), 1: (1,), 2: (1,)})
    assert stage.state.current.scores[0] == 0
    await stage.vote_model({0: "model 2", 1: "model 2"})
    assert stage.state.phase is Phase.CLOSING
    await stage.advance()
    assert stage.state.phase is Phase.COMPLETED
    await stage.settle()


@pytest.mark.asyncio
async def test_silent_judges_delay_nobody_past_a_deadline(stage):
    await stage.create(founders=4, rounds=5, bond=5_000, evaluation_pool=8 * 10**7)
    await stage.enrol()

    await _trained(stage, range(4))
    await stage.commit_scores({0: (1, 2, 3), 1: (1, 2, 3)})
    await stage.advance()
    record = stage.state.current
    assert record.credits == dict.fromkeys(range(4), 25 * 10**6), "two of four are no quorum"
    assert (record.forfeiters, record.settled, record.scores) == ((), True, {})
    await stage.vote_model(dict.fromkeys((3, 1, 0), "model 1"))

    await _trained(stage, range(4))
    vectors = {0: (10, 20, 30), 1: (10, 20, 30), 3: (10, 10, 20)}
    await stage.commit_scores(vectors)
    await stage.must_in(Phase.SCORE_REVEAL)
    await stage.reveal_scores(vectors)
    assert stage.state.current.evaluation_pay.keys() == {0, 1, 3}
    await stage.advance()
    assert stage.state.rounds[2].model == content("model 1"), "nobody named another"

    await _trained(stage, range(4))
    vectors = {0: (10, 20, 30), 1: (10, 20, 30), 2: (10, 10, 20), 3: (1, 1, 1)}
    await stage.commit_scores(vectors)
    del vectors[2]
    await stage.reveal_scores(vectors)
    await stage.advance()
    record = stage.state.current
    assert record.forfeiters == (2,)
    assert record.scores[2] > 0 == record.credits[2]
    assert (stage.state.members[2].bond, stage.state.slashed) == (0, 5_000)
    assert record.payout < 10**8 + 5_000
    await stage.vote_model(dict.fromkeys((1, 0, 2), "model 3"))

    await _trained(stage, range(4))
    await stage.commit_scores(dict.fromkeys(range(4), (1, 1, 1)))
    await stage.reveal_scores({0: (1, 1, 1), 2: (1, 1, 1)})
    await stage.advance()
    record = stage.state.current
    assert record.forfeiters == (1, 3)
    assert (record.scores, record.payout) == ({}, sum(record.credits.values()))
    assert record.credits[1] == record.credits[3] == 0 < record.credits[0]
    assert [member.bond for member in stage.state.members.values()] == [5_000, 0, 0, 0]
    await stage.advance()
    await stage.advance()
    assert stage.state.rounds[5].finalized, "a void round"
    assert stage.state.phase is Phase.CLOSING
    await stage.advance()
    await stage.settle()


@pytest.mark.asyncio
async def test_what_only_a_forfeiter_would_have_earned_stays_in_the_escrow(stage):
    await stage.create(founders=4, rounds=1)
    await stage.enrol()
    await _trained(stage, range(4))
    vectors = {0: (0, 5, 0), 1: (0, 5, 0), 2: (1, 1, 1), 3: (0, 0, 5)}
    await stage.commit_scores(vectors)
    del vectors[2]
    await stage.reveal_scores(vectors)
    await stage.advance()
    record = stage.state.current
    assert record.scores == {0: 0, 1: 0, 2: 10**9, 3: 0}
    assert (record.payout, stage.state.bonus) == (0, 0)
    paid = sum(record.evaluation_pay.values())
    assert stage.state.escrow == 10**9 + 5_000 - paid < 10**9
    await stage.vote_model(dict.fromkeys((3, 1, 0), "model 1"))
    await stage.advance()
    await stage.settle()


@pytest.mark.asyncio
async def test_a_named_aggregator_proposes_and_twice_without_a_model_the_task_ends(stage):
    await stage.create(rounds=5, aggregator=stage.people[2].address)
    await stage.enrol()
    await _trained(stage, range(3))
    await _judged(stage, {0: (1, 1), 1: (1, 1), 2: (1, 1)})
    assert await stage.refused(*stage.model_vote(0, "model 1")), "before the aggregator"
    await stage.vote_model({1: "model 1"})
    assert await stage.refused(*stage.model_vote(0, "another"))
    await stage.vote_model({2: "model 1"})
    assert stage.state.model == content("model 1")

    for number in (2, 3):
        assert stage.state.round == number
        await _trained(stage, range(3))
        await _judged(stage, {0: (0, 0), 1: (-1, 0), 2: (0, 0)})
        assert stage.state.current.credits == {0: 0, 1: 0, 2: 0}
        await stage.advance()
    assert stage.state.cancel_reason is CancelReason.NO_MODEL
    await stage.settle()


@pytest.mark.asyncio
async def test_members_admit_and_expel_by_vote(stage):
    await stage.create(founders=3, capacity=5, rounds=4, stake=700, vesting_rounds=2)
    await stage.enrol(3)
    assert stage.state.phase is Phase.ENROLMENT
    await stage.advance()
    newcomer = stage.people[4]

    def ballot(person, proposal):
        return (person, calls.vote(stage.task, proposal=proposal))

    await stage.must((2, calls.propose(stage.task, account=newcomer.address, admit=True)))
    assert await stage.refused(*ballot(2, 0))
    assert newcomer.address not in stage.state.allowed
    await stage.must(ballot(1, 0))
    assert stage.state.proposals[0].votes == (1, 0)
    assert newcomer.address in stage.state.allowed
    allowance = 5_700 * UNIT
    approve = calls.approve(stage.deployment.token, stage.task, allowance)
    await stage.must((4, approve), (4, calls.join(stage.task, newcomer.address)))
    assert stage.state.active_members == (0, 1, 2, 3)

    await _trained(stage, range(3))
    await _judged(stage, {0: (1, 1), 1: (1, 1), 2: (1, 1)})
    earned = stage.state.members[1].earned
    # Out while the others agree on a model: what has not vested joins the next budget.
    await stage.must((3, calls.propose(stage.task, account=stage.people[2].address, admit=False)))
    await stage.must(ballot(1, 1), ballot(4, 1))
    assert stage.state.active_members == (0, 2, 3)
    ejection = next(event for event in stage.events if isinstance(event, e.TrainerEjected))
    assert (ejection.reason, ejection.forfeited) == (Reason.VOTED, earned)
    assert (stage.state.members[1].earned, stage.state.bonus) == (0, earned)
    assert await stage.refused(*stage.model_vote(1, "model 1"))
    assert await stage.refused(2, calls.withdraw_member_bond(stage.task, index=1))
    await stage.vote_model({0: "model 1", 2: "model 1"})
    assert stage.state.current.cohort == (0, 2, 3)
    await stage.must((0, calls.withdraw_member_bond(stage.task, index=1)))
    assert stage.state.members[1].bond == 0

    # Out before it has committed: nobody waits for it.
    await stage.commit({0: content("a"), 2: content("b")})
    await stage.must((1, calls.propose(stage.task, account=newcomer.address, admit=False)))
    await stage.must(ballot(3, 2))
    assert stage.state.current.cohort == (0, 2)
    assert stage.state.phase is Phase.REVEAL
    await stage.reveal({0: content("a"), 2: content("b")})
    await _judged(stage, {0: (1,), 2: (1,)}, probes={2: b"\x06" * 32})
    assert stage.state.current.evaluation_pay == {0: 0, 2: 0}, "of two probes none is a majority"
    await stage.vote_model({0: "model 2", 2: "model 2"})

    # A member that leaves gets its stake at once and its bond too, while nobody judges.
    await stage.must((1, Call(stage.task, encode_call(CONTRACT, "leave", stage.state.round, 0, b""))))
    await stage.must((1, calls.withdraw_member_bond(stage.task, index=0)))
    await stage.must((0, calls.cancel(stage.task)))
    await stage.advance()
    assert stage.state.cancel_reason is CancelReason.PUBLISHER
    await stage.settle()
