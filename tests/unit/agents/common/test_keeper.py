# SPDX-License-Identifier: Apache-2.0
"""What a keeper wants: the next deadline, and at the end everybody's money."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.common.keeper import Keeper, decide
from bcfl.agents.runtime.actions import View, WakeAt
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.phases import CancelReason, Kind, Phase


def _wants(seen, *, now=0, final=None):
    return decide(View(seen=seen, final=final, now=now))


def test_without_a_task_or_before_its_first_deadline_is_known_it_waits(story):
    assert _wants(None) == []
    assert _wants(story().state, now=10**9) == []


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.ended])
def test_it_wakes_at_each_deadline_and_then_moves_the_task_on(story, phase):
    tale = story()
    if phase is not Phase.ENROLMENT:
        tale.enrol(2).start()
    tale.phase(phase, deadline=500)
    assert _wants(tale.state, now=499) == [WakeAt(500)]
    for now in (500, 501):
        (move,) = _wants(tale.state, now=now)
        assert move.call == calls.advance(tale.state.address)


def test_two_phases_and_two_windows_of_one_phase_are_different_moves(story):
    tale = story().enrol(2).start()
    names = set()
    for phase, deadline in [(Phase.EVALUATION, 500), (Phase.EVALUATION, 600), (Phase.AGGREGATION, 600)]:
        (move,) = _wants(tale.phase(phase, deadline=deadline).state, now=1000)
        names.add(move.name)
    assert len(names) == 3


def _ended(story, members=2):
    tale = story().enrol(members, stake=5).start()
    return tale.phase(Phase.TRAINING, deadline=500).tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)


def test_an_end_that_is_only_seen_pays_nobody(story):
    tale = _ended(story)
    assert _wants(tale.state, now=1000) == []
    assert _wants(tale.state, now=1000, final=story().enrol(2).start().state) == []


def test_at_the_end_it_pays_members_and_refunds_the_publisher(story):
    tale = _ended(story)
    pay, refund = _wants(tale.state, now=1000, final=tale.state)
    assert pay.call == calls.withdraw(tale.state.address, [0, 1])
    assert refund.call == calls.refund(tale.state.address)


def test_only_whom_something_is_owed(story):
    tale = _ended(story, 3)
    tale.tell(e.StakeReturned, index=1, amount=5).tell(e.EscrowReturned, amount=10_000)
    (pay,) = _wants(tale.state, final=tale.state)
    assert pay.call == calls.withdraw(tale.state.address, [0, 2])
    tale.tell(e.StakeReturned, index=0, amount=5).tell(e.StakeReturned, index=2, amount=5)
    assert _wants(tale.state, final=tale.state) == []


def test_credits_are_owed_until_they_are_withdrawn(story):
    tale = story().enrol(1).start().commit(0).submit(0, "a").evaluate([1], 900).phase(Phase.CLOSING, 500)
    tale.tell(e.TaskCompleted).tell(e.EscrowReturned, amount=9_100)
    assert len(_wants(tale.state, final=tale.state)) == 1
    tale.tell(e.RewardWithdrawn, index=0, amount=900)
    assert _wants(tale.state, final=tale.state) == []


def test_many_members_are_paid_in_transactions_that_fit_a_block(story):
    tale = _ended(story, 1)
    member = tale.state.members[0]
    state = dataclasses.replace(tale.state, members=dict.fromkeys(range(450), member), returned=0)
    pays = _wants(state, final=state)
    chunks = [list(range(200)), list(range(200, 400)), list(range(400, 450))]
    assert [pay.call for pay in pays] == [calls.withdraw(state.address, chunk) for chunk in chunks]
    assert len({pay.name for pay in pays}) == 3


@pytest.mark.asyncio
async def test_a_keeper_has_no_hands():
    keeper = Keeper(name="keeper")
    assert keeper.decide(View(seen=None, final=None, now=0), {}) == []
    with pytest.raises(TypeError):
        await keeper.perform(None)


def test_at_the_end_it_has_a_consortiums_bonds_returned(story):
    tale = story(kind=Kind.CONSORTIUM, evaluators=3, bond=50, tolerance=10**9).enrol(3).start()
    tale.tell(e.TaskCompleted).tell(e.MemberBondReturned, index=1, amount=50)
    wanted = _wants(tale.state, now=1000, final=tale.state)
    assert [action.call for action in wanted if action.name.startswith("withdraw_bond")] == [
        calls.withdraw_member_bond(tale.state.address, index=index) for index in (0, 2)
    ]


def _accused(story, *, successor=1):
    tale = story(evaluators=2).enrol(3)
    if successor:
        account = "0x" + "0" * 40
        tale.tell(e.EvaluatorBonded, evaluator=1, account=account, bond=900, validation_commitment=b"")
    tale.start().commit(0, 1, 2).submit(0, "a").submit(1, "b").submit(2, "c")
    tale.phase(Phase.EVALUATION).evaluate([1, 0, 0], 900).finalise("bad").start(2)
    tale.tell(e.EvaluationReverted, round=1, evaluator=0, successor=successor, accused=True)
    return tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)


def test_an_accused_one_s_bond_is_shared_before_anybody_is_paid(story):
    tale = _accused(story)
    until = tale.state.deadline
    assert _wants(tale.state, now=until - 1, final=tale.state) == [WakeAt(until)], "its successor has a word"
    (share,) = _wants(tale.state, now=until, final=tale.state)
    assert share.call == calls.withdraw_bond(tale.state.address, evaluator=0)
    tale.tell(e.BondForfeited, round=1, evaluator=0, amount=900)
    pay, _ = _wants(tale.state, final=tale.state)
    assert pay.call == calls.withdraw(tale.state.address, [0, 1, 2])


def test_a_cleared_one_takes_its_bond_itself(story):
    tale = _accused(story).tell(e.EvaluatorCleared, evaluator=0)
    wanted = _wants(tale.state, final=tale.state)
    assert calls.withdraw_bond(tale.state.address, evaluator=0) not in [one.call for one in wanted]


def test_it_goes_on_with_credits_that_wait_until_all_are_written(story):
    tale = story().enrol(3).start().commit(0, 2).submit(0, "a").submit(2, "c").phase(Phase.EVALUATION)
    tale.tell(e.CreditsWritten, round=1, written=376).evaluate([5, -7], 900).finalise("m").start(2)
    tale.phase(Phase.TRAINING, deadline=500)
    going_on, wake = _wants(tale.state, final=tale.state)
    assert going_on.call == calls.credit(tale.state.address, scores=[5, -7])
    assert wake == WakeAt(500)
    assert _wants(tale.state) == [wake], "only once it cannot be undone"
    tale.tell(e.CreditsWritten, round=1, written=752)
    (again, _) = _wants(tale.state, final=tale.state)
    assert again.call == going_on.call
    assert again.name != going_on.name, "another action"
    tale.tell(e.CreditsWritten, round=1, written=0)
    assert _wants(tale.state, final=tale.state) == [wake]


def test_a_bond_s_shares_go_by_no_scores_and_nobody_is_paid_before(story):
    tale = _accused(story).tell(e.BondForfeited, round=1, evaluator=0, amount=900)
    tale.tell(e.CreditsWritten, round=1, written=128)
    (going_on,) = _wants(tale.state, final=tale.state)
    assert going_on.call == calls.credit(tale.state.address, scores=[])


def test_it_moves_on_again_where_one_call_does_not_punish_all(story):
    tale = story(stake=5).enrol(3, stake=5).start().commit(0, 1, 2).phase(Phase.REVEAL, deadline=500)
    (first,) = _wants(tale.state, now=500)
    tale.tell(e.StakeSlashed, round=1, index=0, amount=5)
    (second,) = _wants(tale.state, now=500)
    assert second.call == first.call
    assert second.name != first.name


def test_where_credits_wait_in_a_ring_fewer_members_fit_a_transaction(story):
    tale = story(vesting_rounds=16).enrol(1, stake=5).start()
    tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)
    state = dataclasses.replace(
        tale.state, members=dict.fromkeys(range(100), tale.state.members[0]), returned=0
    )
    assert [pay.call for pay in _wants(state, final=state)] == [
        calls.withdraw(state.address, list(range(start, min(start + 49, 100)))) for start in (0, 49, 98)
    ]


def test_a_member_s_own_keeper_waits_for_others_and_cares_for_its_account_alone(story):
    tale = story().enrol(2, stake=5).start().phase(Phase.TRAINING, deadline=500)
    account = tale.state.members[1].account
    view = View(seen=tale.state, final=tale.state, now=503)
    assert decide(view, account=account, grace_s=5) == [WakeAt(505)]
    # one after another: the evaluator, then the members, so that only the first pays
    assert decide(view, account=tale.state.evaluators[0].account, grace_s=5, step_s=2) == [WakeAt(505)]
    waits = [
        decide(view, account=member.account, grace_s=5, step_s=2)
        for _, member in sorted(tale.state.members.items())
    ]
    assert waits == [[WakeAt(507)], [WakeAt(509)]]
    assert decide(view, account=account, grace_s=5, step_s=10**6) == [WakeAt(625)]  # not for ever
    tale = _ended(story)
    view = View(seen=tale.state, final=tale.state, now=1000)
    (pay,) = decide(view, account=tale.state.members[1].account, grace_s=5)
    assert pay.call == calls.withdraw(tale.state.address, [1])
    (refund,) = decide(view, account=tale.state.publisher)
    assert refund.name == "refund"
    assert decide(view, account="0x" + "7" * 40) == []
