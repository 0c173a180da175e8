# SPDX-License-Identifier: Apache-2.0
"""The fold of events; that it is the contract's own state after every block is in ``tests/chain/test_contracts.py``."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.crowd_state import Uncredited
from bcfl.contracts.errors import ForeignTask
from bcfl.contracts.fold import fold
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import CancelReason, Phase


def test_a_created_task_has_its_escrow_and_owns_its_genesis(story, content):
    state = story().state
    assert (state.escrow, state.round, state.phase) == (10_000, 0, Phase.ENROLMENT)
    assert dict(state.owners) == {content("genesis").digest: (0, 0, None)}
    assert dict(story(unique_digests=False).state.owners) == {}


def test_an_earlier_state_stays_what_it_was(story):
    tale = story().enrol(2).start()
    before = tale.state
    tale.commit(0, 1)
    assert before.current.commitments == {}
    assert sorted(tale.state.current.commitments) == [0, 1]
    with pytest.raises(TypeError):
        tale.state.members[0] = None


def test_folding_one_by_one_or_all_at_once_is_the_same(story):
    tale = story()
    start = tale.state
    events = [
        tale.event(e.TrainerJoined, index=0, account=Address("0x" + "1" * 40), stake=5),
        tale.event(e.RoundStarted, round=1, model=start.model, deadline=9, cohort=(0,)),
        tale.event(e.UpdatesCommitted, round=1, batch=0, first_position=0, entries=((0, b"c"),), raw=b"r"),
        tale.event(e.StakeSlashed, round=1, index=0, amount=5),
        tale.event(e.RoundFinalized, round=1, model=start.model, payout=0),
        tale.event(e.RoundStarted, round=2, model=start.model, deadline=19, cohort=(0,)),
        tale.event(e.TaskCancelled, reason=CancelReason.PUBLISHER),
    ]
    one_by_one = start
    for event in events:
        one_by_one = fold(one_by_one, [event])
    assert one_by_one == fold(start, events)
    assert one_by_one.rounds[1].finalized
    assert not one_by_one.rounds[2].finalized


def test_another_task_s_event_is_refused(story, origin):
    foreign = e.TaskCompleted(origin=origin(address=Address("0x" + "9" * 40)))
    with pytest.raises(ForeignTask, match="0x9999"):
        fold(story().state, [foreign])


def test_scores_reach_the_revealed_in_index_order_whatever_the_order_of_arrival(story):
    tale = story().enrol(3).start().commit(2, 0, 1).phase(Phase.REVEAL)
    tale.submit(2, "c").submit(0, "a").phase(Phase.EVALUATION).evaluate([3, 1], 900)
    assert tale.state.current.scores == {0: 3, 2: 1}
    assert tale.state.current.credits == {0: 675, 2: 225}
    assert tale.state.escrow == 9_100
    assert tale.state.earned == 900
    assert tale.state.evaluators[0].served


def test_an_earlier_commitment_takes_a_digest_over_and_a_later_one_does_not(story):
    tale = story().enrol(3).start().commit(0, 1, 2).phase(Phase.REVEAL)
    tale.submit(1, "same").submit(2, "same")
    owned = {index: update.owned for index, update in tale.state.current.updates.items()}
    assert owned == {1: True, 2: False}
    tale.submit(0, "same")
    owned = {index: update.owned for index, update in tale.state.current.updates.items()}
    assert owned == {0: True, 1: False, 2: False}


def test_last_round_s_digests_and_every_global_model_belong_to_somebody(story, content):
    tale = story().enrol(3).start().commit(0, 1).phase(Phase.REVEAL).submit(0, "old").submit(1, "next")
    tale.evaluate([1, 0], 900).finalise("next")
    assert tale.state.owners[content("next").digest] == (1, 0, None), "the task takes its model over"
    tale.start(2).commit(0, 1, 2).phase(Phase.REVEAL)
    tale.submit(0, "old").submit(1, "next").submit(2, "genesis")
    assert [update.owned for update in tale.state.current.updates.values()] == [False] * 3


def test_without_unique_digests_everybody_owns(story):
    tale = (
        story(unique_digests=False).enrol(2).start().commit(0, 1).submit(0, "x").submit(1, "x").finalise("x")
    )
    assert all(update.owned for update in tale.state.rounds[1].updates.values())
    assert not tale.state.owners


def test_slashed_and_forfeited_amounts_join_the_next_payout_once(story):
    tale = story().enrol(2, stake=50).start().commit(0, 1).submit(0, "a")
    tale.tell(e.StakeSlashed, round=1, index=1, amount=50)
    assert (tale.state.bonus, tale.state.escrow) == (50, 10_050)
    assert tale.state.members[1].stake == 0
    tale.evaluate([1], 950)
    assert (tale.state.bonus, tale.state.escrow) == (0, 9_100)


def test_a_round_pays_at_most_as_much_again_of_what_others_lost(story):
    tale = story().enrol(2, stake=50).start().commit(0, 1).submit(0, "a")
    tale.tell(e.StakeSlashed, round=1, index=1, amount=50).evaluate([1], 40)  # 20 of its own
    assert (tale.state.bonus, tale.state.escrow) == (30, 10_010)


def test_a_round_that_pays_nothing_keeps_the_bonus(story):
    tale = story().enrol(2, stake=50).start().commit(0, 1).submit(0, "a")
    tale.tell(e.StakeSlashed, round=1, index=1, amount=50).evaluate([-1], 0)
    assert tale.state.bonus == 50


def test_an_ejected_member_loses_what_had_not_vested_and_keeps_the_rest(story):
    tale = (
        story(vesting_rounds=1)
        .enrol(2)
        .start()
        .commit(0, 1)
        .submit(0, "a")
        .submit(1, "b")
        .evaluate([1, 2], 900)
    )
    tale.tell(e.TrainerSuspended, round=1, index=1, until_round=3, reason=6, evidence=bytes(32))
    assert tale.state.members[1].suspended
    assert tale.state.current.suspended == (1,)
    tale.finalise("m").start(2, cohort=(0,))
    tale.tell(e.TrainerEjected, round=2, index=1, reason=6, evidence=bytes(32), forfeited=500)
    member = tale.state.members[1]
    assert (member.active, member.earned, member.ejected_round) == (False, 100, 2)
    assert tale.state.bonus == 500
    assert not tale.state.members[1].suspended
    assert tale.state.active_members == (0,)


def test_parole(story):
    tale = story().enrol(1).start()
    tale.tell(e.TrainerSuspended, round=1, index=0, until_round=2, reason=1, evidence=bytes(32))
    tale.tell(e.TrainerReinstated, round=2, index=0)
    assert not tale.state.members[0].suspended


def test_who_leaves_keeps_the_index_and_leaves_the_cohort_unless_committed(story):
    tale = story().enrol(3).start().commit(1)
    tale.tell(e.TrainerLeft, index=0, forfeited=0)
    assert tale.state.current.cohort == (1, 2)
    tale.phase(Phase.REVEAL).submit(1, "b").tell(e.TrainerLeft, index=1, forfeited=0)
    assert tale.state.current.cohort == (1, 2)
    assert tale.state.active_members == (2,)
    assert set(tale.state.index_of.values()) == {0, 1, 2}, "an account joins once"


def test_who_has_submitted_in_the_open_stays_in_the_cohort(story):
    tale = (
        story(commit_reveal=False).enrol(2).start().submit(0, "a").tell(e.TrainerLeft, index=0, forfeited=0)
    )
    assert tale.state.current.cohort == (0, 1)


@pytest.mark.parametrize("payout", [0, 900])
def test_without_an_evaluator_owners_share_equally(story, payout):
    tale = story().enrol(3).start().commit(0, 1, 2).submit(0, "a").submit(1, "a").submit(2, "c")
    tale.tell(e.EvaluatorRemoved, round=1, evaluator=0, slashed=450)
    assert tale.state.evaluators[0].bond == 450
    assert tale.state.active_evaluator is None
    assert tale.state.bonus == 450
    tale.finalise(None, payout=payout)
    assert tale.state.current.credits == ({0: 450, 2: 450} if payout else {})
    assert tale.state.escrow == 10_450 - payout


@pytest.mark.parametrize("closing", [False, True])
def test_upheld_objections_share_the_bond_and_bring_the_model_back(story, content, closing):
    tale = story(evaluators=2).enrol(4)
    tale.tell(
        e.EvaluatorBonded, evaluator=1, account=Address("0x" + "0" * 40), bond=900, validation_commitment=b""
    )
    tale.start().commit(0, 1, 3).phase(Phase.REVEAL).submit(0, "a").submit(1, "b").submit(3, "c")
    tale.phase(Phase.EVALUATION)
    assert tale.state.objectionable is None
    tale.evaluate([1, 0, 0], 900).finalise("bad")
    if closing:
        tale.phase(Phase.CLOSING)
    else:
        tale.start(2)
    assert tale.state.objectionable == 1
    for index in (3, 0, 1):
        tale.tell(e.Objected, round=1, index=index, blames=index != 0)
    tale.tell(e.EvaluationReverted, round=1, evaluator=0, successor=1, accused=True)
    state = tale.state
    assert state.rounds[1].blaming == (3, 1)
    assert state.evaluators[0].accused_in == 1
    assert (state.evaluators[0].bond, state.slashed) == (900, 0), "it waits"
    tale.tell(e.BondForfeited, round=1, evaluator=0, amount=900)
    state = tale.state
    assert state.model == content("genesis")
    assert state.rounds[1].model == content("bad")
    assert state.rounds[1].reverted
    assert state.rounds[1].objections == (3, 0, 1)
    assert state.rounds[1].bond_shares == {0: 300, 1: 300, 3: 300}
    assert [state.members[n].earned for n in range(4)] == [1200, 300, 0, 300]
    assert [state.bond_share(n) for n in range(4)] == [300, 300, 0, 300]
    assert (state.escrow, state.bonus, state.slashed) == (9_100, 0, 900)
    assert state.evaluators[0].removed
    assert (state.evaluators[0].bond, state.evaluators[0].accused_in) == (0, None)
    assert state.active_evaluator == 1
    assert state.objectionable is None
    if not closing:
        tale.finalise(None).start(3)
        assert tale.state.current.start_model == content("genesis")
        assert tale.state.objectionable is None, "a void round has no evaluation"
        assert content("bad").digest in tale.state.owners, "the task owns what was its model once"


def test_a_cleared_evaluator_has_its_bond_back_and_not_its_place(story):
    tale = story(evaluators=2).enrol(3)
    tale.tell(
        e.EvaluatorBonded, evaluator=1, account=Address("0x" + "0" * 40), bond=900, validation_commitment=b""
    )
    tale.start().commit(0, 1, 2).submit(0, "a").submit(1, "b").submit(2, "c")
    tale.phase(Phase.EVALUATION).evaluate([1, 0, 0], 900).finalise("good").start(2)
    tale.tell(e.EvaluationReverted, round=1, evaluator=0, successor=1, accused=True)
    tale.tell(e.EvaluatorCleared, evaluator=0)
    assert tale.state.active_evaluator == 1
    cleared = tale.state.evaluators[0]
    assert (cleared.bond, cleared.removed, cleared.accused_in) == (900, True, None)


def test_who_stands_down_keeps_its_bond_and_without_a_next_one_its_place(story, content):
    for evaluators, successor in ((2, 1), (1, 0)):
        tale = story(evaluators=evaluators).enrol(3)
        if evaluators == 2:
            account = Address("0x" + "0" * 40)
            tale.tell(e.EvaluatorBonded, evaluator=1, account=account, bond=900, validation_commitment=b"")
        tale.start().commit(0, 1, 2).submit(0, "a").submit(1, "b").submit(2, "c")
        tale.phase(Phase.EVALUATION).evaluate([1, 0, 0], 900).finalise("bad").start(2)
        tale.tell(e.EvaluationReverted, round=1, evaluator=0, successor=successor, accused=False)
        assert tale.state.model == content("genesis")
        assert tale.state.active_evaluator == successor
        assert tale.state.evaluators[0].removed is (successor == 1)
        assert (tale.state.evaluators[0].bond, tale.state.evaluators[0].accused_in) == (900, None)


def test_who_leaves_forfeits_what_has_not_vested_to_the_next_budget(story):
    tale = story(vesting_rounds=2).enrol(2).start().commit(0).submit(0, "a").phase(Phase.EVALUATION)
    tale.evaluate([1], 900).finalise("m").start(2).tell(e.TrainerLeft, index=0, forfeited=900)
    assert tale.state.members[0].earned == 0
    assert (tale.state.escrow, tale.state.bonus) == (10_000, 900)


def test_an_index_that_is_given_out_again_is_the_new_member_s(story):
    tale = story().enrol(2).tell(e.TrainerLeft, index=1, forfeited=0)
    left, other = tale.state.members[1].account, Address("0x" + "9" * 40)
    tale.tell(e.TrainerJoined, index=1, account=other, stake=5)
    assert left not in tale.state.index_of
    assert tale.state.index_of[other] == 1
    assert tale.state.active_members == (0, 1)


def test_credits_that_wait_are_known_until_all_are_written(story):
    tale = story().enrol(1).start().commit(0).submit(0, "a").phase(Phase.EVALUATION)
    tale.tell(e.CreditsWritten, round=1, written=376).evaluate([1], 900).finalise("m").start(2)
    assert tale.state.uncredited == Uncredited(round=1, written=376)
    assert tale.tell(e.CreditsWritten, round=1, written=0).state.uncredited is None


def test_succession_follows_the_list_and_who_bonds_late_waits(story):
    tale = story(evaluators=3)

    def bond(place):
        tale.tell(
            e.EvaluatorBonded,
            evaluator=place,
            account=Address("0x" + "0" * 40),
            bond=900,
            validation_commitment=b"",
        )

    assert tale.state.active_evaluator is None
    bond(1)
    tale.start(1, cohort=())
    assert tale.state.active_evaluator == 1
    bond(2)
    bond(0)
    tale.finalise(None).start(2, cohort=())
    assert tale.state.active_evaluator == 1
    tale.tell(e.EvaluatorRemoved, round=2, evaluator=1, slashed=450)
    assert tale.state.active_evaluator == 0
    tale.tell(e.EvaluatorRemoved, round=2, evaluator=0, slashed=450)
    assert tale.state.active_evaluator == 2


def test_the_end_of_a_task_returns_everything_once(story):
    tale = story().enrol(1, stake=5).start().commit(0).submit(0, "a").evaluate([1], 900).finalise("m")
    tale.phase(Phase.CLOSING).tell(e.TaskCompleted)
    assert tale.state.ended
    tale.tell(e.RewardWithdrawn, index=0, amount=900).tell(e.StakeReturned, index=0, amount=5)
    tale.tell(e.EscrowReturned, amount=9_100).tell(e.EscrowReturned, amount=0)
    tale.tell(e.ValidationOpened, evaluator=0, digest=b"d" * 32, salt=b"s" * 16)
    tale.tell(e.BondReturned, evaluator=0, amount=900)
    member = tale.state.members[0]
    assert (member.earned, member.withdrawn, member.stake) == (900, 900, 0)
    assert (tale.state.returned, tale.state.escrow) == (9_100, 0)
    assert tale.state.evaluators[0].opened
    assert tale.state.evaluators[0].returned


def test_cancelling(story):
    tale = story().tell(e.CancelRequested)
    assert tale.state.cancel_requested
    assert not tale.state.ended
    tale.tell(e.TaskCancelled, reason=CancelReason.PUBLISHER)
    assert tale.state.ended
    assert tale.state.cancel_reason is CancelReason.PUBLISHER


def test_timeliness_is_one_as_a_round_begins_and_nothing_at_its_end(story):
    tale = story().enrol(3)
    begun = tale.event(e.RoundStarted, round=1, model=tale.state.model, deadline=1102, cohort=(0, 1, 2))
    tale.state = fold(tale.state, [dataclasses.replace(begun, origin=_at(begun.origin, 1002))])
    for index, time in ((0, 1002), (1, 1077), (2, 1200)):
        entries = ((index, b"c" * 32),)
        told = tale.event(
            e.UpdatesCommitted, round=1, batch=index, first_position=index, entries=entries, raw=b""
        )
        tale.state = fold(tale.state, [dataclasses.replace(told, origin=_at(told.origin, time))])
    record = tale.state.rounds[1]
    assert [record.timeliness(index) for index in range(4)] == [1.0, 0.25, 0.0, 0.0]


def _at(origin, time):
    return dataclasses.replace(origin, block=dataclasses.replace(origin.block, timestamp=time))
