# SPDX-License-Identifier: Apache-2.0
"""The fold of a consortium's events; that it is the contract's own state is in ``tests/chain/test_consortium_contract.py``."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.consortium_state import ConsortiumState, Proposal
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.errors import MalformedLog, WrongKind
from bcfl.contracts.fold import fold
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase, Reason

STRANGER = Address("0x" + "5" * 40)
VECTORS = {0: [3, 1], 1: [6, 2], 2: [4, 2]}


def test_founders_may_join_and_nobody_is_an_evaluator(consortium, story):
    state = consortium(founders=4).state
    assert isinstance(state, ConsortiumState)
    assert state.allowed == set(consortium(founders=4).created.evaluators)
    assert type(story().state) is CrowdState


def test_what_one_kind_of_task_has_cannot_be_read_of_the_other(consortium, story):
    states = (story().enrol(2).start().state, consortium().enrol(2).start().state)
    crowds, consortiums = ({f.name for f in fields(state)} for state in states)
    of_crowds, of_consortiums = ({f.name for f in fields(state.current)} for state in states)
    assert {"evaluators", "uncredited"} <= crowds - consortiums
    assert {"allowed", "proposals"} <= consortiums - crowds
    assert {"report", "suspended", "reverted"} <= of_crowds - of_consortiums
    assert {"vectors", "probes", "model_votes"} <= of_consortiums - of_crowds


def test_a_state_of_the_other_kind_is_refused(consortium, story):
    assert CrowdState.of(None) is None
    assert CrowdState.of(story().state) == story().state
    with pytest.raises(WrongKind, match="is a ConsortiumState, not a CrowdState"):
        CrowdState.of(consortium().state)


def test_a_member_s_bond_is_the_configuration_s_in_a_consortium_only(consortium, story):
    members = consortium(bond=300).enrol(2, stake=5).state.members
    assert [(one.stake, one.bond) for one in members.values()] == [(5, 300), (5, 300)]
    assert story(bond=300).enrol(1, stake=5).state.members[0].bond == 0


def test_scores_are_kept_by_judge_and_target(consortium):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(2, 0)
    assert tale.state.current.score_commitments == {2: b"c" * 32, 0: b"c" * 32}
    tale.reveal_scores({2: [7, -1], 0: [3, 1]})
    record = tale.state.current
    assert record.vectors == {0: {1: 3, 2: 1}, 2: {0: 7, 1: -1}}
    assert record.probes == {0: b"p" * 32, 2: b"p" * 32}
    assert not record.settled


def test_a_disowned_update_is_no_target(consortium):
    tale = consortium(founders=4).enrol().trained("a", "a", "c")
    assert tale.state.current.targets == (0, 2)
    tale.commit_scores(0, 1, 3).reveal_scores({0: [1], 1: [2, 3], 3: [4, 5]})
    assert tale.state.current.vectors == {0: {2: 1}, 1: {0: 2, 2: 3}, 3: {0: 4, 2: 5}}
    tale.settle(900, scores=[300, 0, 600], pays=[1, 2, 3])
    assert tale.state.current.credits == {0: 300, 1: 0, 2: 600}


@pytest.mark.parametrize("scores", [[], [1], [1, 2, 3]])
def test_a_vector_of_another_length_is_malformed(consortium, scores):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(0)
    with pytest.raises(MalformedLog, match=f"Member 0 has {len(scores)} scores for 2 others in round 1"):
        tale.reveal_scores({0: scores})


@pytest.mark.parametrize(("scores", "pays"), [([1, 2], [1, 1, 1]), ([1, 2, 3], [1, 1])])
def test_a_settlement_of_another_length_is_malformed(consortium, scores, pays):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(0, 1, 2).reveal_scores(VECTORS)
    with pytest.raises(MalformedLog, match="Round 1 settles"):
        tale.settle(900, scores=scores, pays=pays)


def test_settled_scores_become_credits_and_judges_are_paid_beside_them(consortium):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(0, 1, 2).reveal_scores(VECTORS)
    tale.settle(900, scores=[6, 2, 1], pays=[30, 0, 25])
    record = tale.state.current
    assert record.settled
    assert record.scores == {0: 6, 1: 2, 2: 1}
    assert record.credits == {0: 600, 1: 200, 2: 100}
    assert record.evaluation_pay == {0: 30, 1: 0, 2: 25}
    assert (record.payout, record.forfeiters) == (900, ())
    assert [member.earned for member in tale.state.members.values()] == [630, 200, 125]
    assert tale.state.escrow == 10_000 - 955


def test_who_does_not_open_gets_no_credit_and_loses_its_bond(consortium):
    tale = consortium(founders=4).enrol().trained("a", "b", "c", "d").commit_scores(0, 1, 2, 3)
    tale.reveal_scores({0: [1, 1, 1], 2: [1, 1, 1], 3: [1, 1, 1]})
    tale.tell(e.BondSlashed, round=1, index=1, amount=300)
    assert tale.state.members[1].bond == 0
    assert (tale.state.escrow, tale.state.bonus, tale.state.slashed) == (10_300, 300, 300)
    # The best of all, to whom the remainder of 1,200 would go.
    tale.settle(1200 - 402, scores=[2, 3, 2, 2], pays=[0, 0, 0])
    record = tale.state.current
    assert record.forfeiters == (1,)
    assert record.credits == {0: 266, 1: 0, 2: 266, 3: 266}
    assert sum(record.credits.values()) == record.payout
    assert tale.state.members[1].earned == 0
    assert (tale.state.escrow, tale.state.bonus) == (10_300 - 798, 0)


def test_where_only_forfeiters_scored_what_joined_the_budget_is_spent_all_the_same(consortium):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(0, 1, 2)
    tale.reveal_scores({0: [1, 0], 2: [1, 0]})
    tale.tell(e.BondSlashed, round=1, index=1, amount=300).settle(0, scores=[0, 5, 0], pays=[0, 0])
    assert tale.state.current.credits == {0: 0, 1: 0, 2: 0}
    assert (tale.state.bonus, tale.state.escrow) == (0, 10_300)


def test_where_nobody_gave_anything_what_joined_the_budget_waits(consortium):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(0, 1, 2)
    tale.reveal_scores({0: [0, 0], 2: [0, -1]})
    tale.tell(e.BondSlashed, round=1, index=1, amount=300).settle(0, scores=[0, 0, 0], pays=[9, 8])
    assert tale.state.bonus == 300
    assert tale.state.current.credits == {0: 0, 1: 0, 2: 0}
    assert [member.earned for member in tale.state.members.values()] == [9, 0, 8]


def test_too_few_commitments_split_equally_and_nobody_is_at_fault(consortium):
    tale = consortium(founders=4).enrol().trained("a", "a", "c").commit_scores(0).settle(900)
    record = tale.state.current
    assert record.settled
    assert (record.scores, record.forfeiters, record.evaluation_pay) == ({}, (), {})
    assert record.credits == {0: 450, 2: 450}
    assert tale.state.escrow == 9_100


def test_too_few_openings_split_equally_among_those_who_are_not_at_fault(consortium):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(0, 1, 2).reveal_scores({0: [1, 1]})
    for index in (1, 2):
        tale.tell(e.BondSlashed, round=1, index=index, amount=300)
    tale.settle(500)
    assert tale.state.current.forfeiters == (1, 2)
    assert tale.state.current.credits == {0: 500, 1: 0, 2: 0}
    assert (tale.state.escrow, tale.state.bonus) == (10_600 - 500, 0)


def test_the_escrow_bounds_what_a_round_pays(consortium):
    tale = consortium(round_budget=20_000, evaluation_pool=0).enrol().trained("a", "b", "c")
    tale.commit_scores(0, 1, 2).reveal_scores(VECTORS).settle(10_000, scores=[1, 1, 2], pays=[0, 0, 0])
    assert tale.state.current.credits == {0: 2_500, 1: 2_500, 2: 5_000}
    assert tale.state.escrow == 0


def test_members_vote_for_a_model_and_the_task_owns_it(consortium, content):
    tale = consortium().enrol().trained("a", "b", "c").commit_scores(0, 1, 2).reveal_scores(VECTORS)
    tale.settle(900, scores=[1, 1, 1], pays=[0, 0, 0]).phase(Phase.AGGREGATION)
    tale.vote_model(2, "next").vote_model(0, "other").vote_model(1, "next")
    votes = tale.state.current.model_votes
    assert list(votes.items()) == [(2, content("next")), (0, content("other")), (1, content("next"))]
    tale.finalise("next", payout=900)
    assert tale.state.model == content("next")
    assert tale.state.owners[content("next").digest] == (1, 0, None)
    assert tale.state.current.payout == 900
    tale.start(2)


def test_a_model_that_is_kept_after_a_settlement_is_the_task_s_again_and_a_void_round_s_is_not(
    consortium, content
):
    genesis = content("genesis").digest
    void = consortium().enrol().start().finalise(None)
    assert dict(void.state.owners) == {genesis: (0, 0, None)}
    kept = consortium().enrol().trained("a", "b", "c").settle(900).phase(Phase.AGGREGATION).finalise(None)
    assert kept.state.owners[genesis] == (1, 0, None)
    assert kept.state.current.credits == {0: 300, 1: 300, 2: 300}, "not split once more"


def test_bonds_come_back(consortium):
    tale = consortium().enrol().start().tell(e.TrainerLeft, index=1, forfeited=0)
    assert tale.state.members[1].bond == 300
    tale.tell(e.MemberBondReturned, index=1, amount=300)
    assert [one.bond for one in tale.state.members.values()] == [300, 0, 300]


def test_members_vote_whom_to_admit(consortium):
    tale = consortium().enrol()
    tale.tell(e.MemberProposed, proposal=0, account=STRANGER, admit=True, proposer=1)
    tale.tell(e.MemberVoted, proposal=0, index=1, passed=False)
    assert tale.state.proposals == {0: Proposal(account=STRANGER, admit=True, votes=(1,))}
    assert STRANGER not in tale.state.allowed
    tale.tell(e.MemberVoted, proposal=0, index=0, passed=True)
    assert tale.state.proposals[0].votes == (1, 0)
    assert tale.state.proposals[0].passed
    assert STRANGER in tale.state.allowed


@pytest.mark.parametrize("committed", [False, True])
def test_an_expelled_member_leaves_the_cohort_unless_it_has_committed(consortium, committed):
    tale = consortium(vesting_rounds=1).enrol().start().commit(*[1] * committed)
    account = tale.state.members[1].account
    tale.tell(e.MemberProposed, proposal=0, account=account, admit=False, proposer=0)
    tale.tell(e.MemberVoted, proposal=0, index=0, passed=False)
    tale.tell(e.MemberVoted, proposal=0, index=2, passed=True)
    assert account not in tale.state.allowed
    tale.tell(e.TrainerEjected, round=1, index=1, reason=Reason.VOTED, evidence=bytes(32), forfeited=0)
    assert tale.state.active_members == (0, 2)
    assert tale.state.current.cohort == ((0, 1, 2) if committed else (0, 2))
    assert tale.state.current.ejected == (1,)


def test_what_judges_have_taken_of_it_does_not_keep_a_bonus_alive(consortium):
    tale = consortium(round_budget=20_000).enrol().trained("a", "b", "c").commit_scores(0, 1, 2)
    tale.tell(e.TrainerLeft, index=2, forfeited=0).reveal_scores({0: [0, 0], 1: [0, 0]})
    tale.tell(e.BondSlashed, round=1, index=2, amount=300)
    tale.settle(0, scores=[0, 0, 0], pays=[10_000, 300])
    assert (tale.state.escrow, tale.state.bonus) == (0, 300)
    tale.phase(Phase.AGGREGATION).finalise(None).trained("x", "y").commit_scores(0, 1)
    tale.reveal_scores({0: [1], 1: [1]}).settle(0, scores=[1, 1], pays=[0, 0])
    assert (tale.state.escrow, tale.state.bonus) == (0, 0)


def test_folding_one_by_one_or_all_at_once_is_the_same(consortium, content):
    tale = consortium().enrol().trained("a", "b", "c")
    start = tale.state
    account = start.members[2].account
    events = [
        *(tale.event(e.ScoresCommitted, round=1, index=n, commitment=bytes([n]) * 32) for n in range(3)),
        tale.event(e.PhaseStarted, round=1, phase=Phase.SCORE_REVEAL, deadline=9),
        tale.event(e.ScoresRevealed, round=1, index=0, probe=b"p" * 32, scores=(1, 2)),
        tale.event(e.ScoresRevealed, round=1, index=2, probe=b"p" * 32, scores=(1, 2)),
        tale.event(e.BondSlashed, round=1, index=1, amount=300),
        tale.event(e.ScoresSettled, round=1, payout=600, evaluation_payout=9, scores=(1, 2, 3), pays=(4, 5)),
        tale.event(e.PhaseStarted, round=1, phase=Phase.AGGREGATION, deadline=10),
        tale.event(e.ModelSubmitted, round=1, account=account, model=content("m")),
        tale.event(e.MemberProposed, proposal=0, account=account, admit=False, proposer=0),
        tale.event(e.MemberVoted, proposal=0, index=0, passed=False),
        tale.event(e.RoundFinalized, round=1, model=content("m"), payout=609),
    ]
    one_by_one = start
    for event in events:
        one_by_one = fold(one_by_one, [event])
    assert one_by_one == fold(start, events)
    assert start.current.score_commitments == {}
    assert start.proposals == {}
