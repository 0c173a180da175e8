# SPDX-License-Identifier: Apache-2.0
"""What a consortium's member wants in every phase."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.common.joining import TrainerIdentity
from bcfl.agents.common.training import Train
from bcfl.agents.consortium.agreement import Agreed, AgreeModel
from bcfl.agents.consortium.ballots import Ballot
from bcfl.agents.consortium.judging import JudgeRound
from bcfl.agents.consortium.member import decide, decide_training
from bcfl.agents.consortium.opinion import Opinion, decode_opinion, encode_opinion
from bcfl.agents.errors import ModelDisagreement
from bcfl.agents.runtime.actions import Transact, View, WakeAt
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.commitments import score_commitment
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind, Phase

CHAIN = 31337
ME = TrainerIdentity(name="ann", address=Address(f"0x{1:040x}"), chain_id=CHAIN)
STRANGER = dataclasses.replace(ME, address=Address(f"0x{77:040x}"))
NEXT = dataclasses.replace(ME, address=Address(f"0x{2:040x}"))
OPINION = Opinion(targets=(0, 1, 2), scores=(5, 7), probe=b"p" * 32, salt=b"s" * 16)


def _consortium(story, **options):
    return story(kind=Kind.CONSORTIUM, evaluators=3, rate=0, evaluation_pool=90, tolerance=10**9, **options)


def _wants(seen, results=(), *, final=None, me=ME, ballots=()):
    return decide(View(seen=seen, final=final, now=0), me, dict(results), ballots)


def _judging(state):
    record = state.current
    updates = tuple((index, record.updates[index]) for index in record.targets)
    return JudgeRound(round=state.round, index=state.index_of[ME.address], updates=updates, state=state)


def _agreeing(state, number=None):
    record = state.rounds[number or state.round]
    return AgreeModel(
        round=record.number,
        updates=tuple((index, record.updates[index]) for index in record.targets),
        scores=tuple(sorted(record.scores.items())),
        start=record.start_model,
        record=record,
        state=state,
    )


def _hidden(state, opinion=OPINION):
    return score_commitment(
        chain_id=CHAIN,
        task=state.address,
        round_number=state.round,
        index=0,
        probe=opinion.probe,
        scores=opinion.scores,
        salt=opinion.salt,
    )


@pytest.fixture
def evaluating(story):
    """Three members have opened their updates."""
    tale = _consortium(story).enrol(3).start().commit(0, 1, 2).phase(Phase.REVEAL)
    return tale.submit(0, "a").submit(1, "b").submit(2, "c").phase(Phase.EVALUATION)


@pytest.fixture
def settled(evaluating):
    """All have scored; the next model is to be agreed on."""
    for index in range(3):
        evaluating.opine(index)
    evaluating.phase(Phase.SCORE_REVEAL)
    for index in range(3):
        evaluating.open_scores(index, (1, 1))
    return evaluating.settle(900, (400, 300, 300), (0, 0, 0)).phase(Phase.AGGREGATION)


def _stands_by_until(state):
    return state.deadline - 15 * state.config.schedule.aggregation // 16


def _agreed(content, name="model", named=None):
    return Agreed(model=content(name), named=content(named or name))


def test_only_who_is_allowed_joins(story):
    state = _consortium(story).state
    view = View(seen=state, final=state, now=0)
    (join,) = decide_training(view, ME, {})
    assert isinstance(join, Transact)
    assert join.name == "join"
    assert decide_training(view, STRANGER, {}) == []


def test_a_member_trains_from_the_agreed_model_without_vetting_it(story):
    state = _consortium(story).enrol(3).start().state
    (train,) = decide_training(View(seen=state, final=state, now=0), ME, {})
    assert isinstance(train, Train)
    assert _wants(state, final=state) == []


def test_scores_are_committed_once_the_updates_are_final(evaluating):
    state = evaluating.state
    work = _judging(state)
    assert _wants(state, final=state) == [work]
    assert _wants(state, {work: OPINION}) == [work]  # another set of updates could still come
    _, commit = _wants(state, {work: OPINION}, final=state)
    assert commit.call == calls.commit_scores(
        state.address, round_number=1, index=0, commitment=_hidden(state)
    )
    assert _wants(evaluating.opine(0, _hidden(state)).state, {work: OPINION}, final=state) == []


def test_scores_are_opened_only_when_nobody_can_commit_any_more(evaluating):
    work = _judging(evaluating.state)
    evaluating.opine(0, _hidden(evaluating.state)).opine(1)
    before = evaluating.state
    revealing = evaluating.phase(Phase.SCORE_REVEAL).state
    assert _wants(revealing, {work: OPINION}, final=before) == []
    (opening,) = _wants(revealing, {work: OPINION}, final=revealing)
    assert opening.call == calls.reveal_scores(
        revealing.address,
        round_number=1,
        index=0,
        probe=OPINION.probe,
        scores=OPINION.scores,
        salt=OPINION.salt,
    )
    assert _wants(evaluating.open_scores(0, (5, 7)).state, {work: OPINION}, final=revealing) == []


def test_after_a_restart_the_opinion_comes_back_from_the_journal(evaluating):
    evaluating.opine(0, _hidden(evaluating.state))
    revealing = evaluating.phase(Phase.SCORE_REVEAL).state
    assert _wants(revealing, final=revealing) == [_judging(revealing)]
    assert decode_opinion(encode_opinion(OPINION), salt=OPINION.salt) == OPINION


def test_who_has_not_committed_has_nothing_to_open(evaluating):
    work = _judging(evaluating.state)
    revealing = evaluating.opine(1).phase(Phase.SCORE_REVEAL).state
    assert _wants(revealing, {work: OPINION}, final=revealing) == []


def test_each_names_the_model_that_it_computed(settled, content):
    state = settled.state
    work = _agreeing(state)
    assert _wants(state, final=state) == [work]
    assert _wants(state, {work: _agreed(content)}) == [work]
    _, vote = _wants(state, {work: _agreed(content)}, final=state, me=NEXT)
    assert vote.call == calls.submit_model(state.address, round_number=1, model=content("model"))
    # Where an update cannot be had, the others decide.
    assert _wants(state, {work: None}, final=state, me=NEXT) == [work]
    voted = settled.vote_model(1, "model").state
    assert _wants(voted, {work: _agreed(content)}, final=state, me=NEXT) == [work]


def test_whose_vote_is_not_needed_stands_by(settled, content):
    """Of three, whose turn it is in round 1 are the second and the third."""
    state = settled.state
    work = _agreeing(state)
    known = {work: _agreed(content)}
    assert state.deadline > 0
    assert _wants(state, known, final=state) == [work, WakeAt(_stands_by_until(state))]
    late = View(seen=state, final=state, now=_stands_by_until(state))
    assert [type(action) for action in decide(late, ME, known)] == [AgreeModel, Transact]
    assert _wants(settled.vote_model(1, "model").state, known, final=state)[1:] == [
        WakeAt(_stands_by_until(state))
    ]


def test_who_stands_by_votes_as_soon_as_somebody_named_another_model(settled, content):
    state = settled.vote_model(1, "another").state
    work = _agreeing(state)
    _, vote = _wants(state, {work: _agreed(content)}, final=state)
    assert vote.name == "submit_model"


def test_turns_go_round(settled, content):
    settled.vote_model(1, "model").vote_model(2, "model").finalise("model", 900).start(2)
    tale = settled.commit(0, 1, 2).phase(Phase.REVEAL).submit(0, "d").submit(1, "e").submit(2, "f")
    state = tale.phase(Phase.EVALUATION).phase(Phase.AGGREGATION).state
    work = _agreeing(state)
    known = {work: _agreed(content), _agreeing(state, 1): _agreed(content)}
    turns = [_wants(state, known, final=state, me=me) for me in (ME, NEXT)]
    assert [isinstance(wanted[-1], Transact) for wanted in turns] == [True, False]


def test_with_an_aggregator_the_others_confirm_what_they_computed_too(story, content):
    leader = Address(f"0x{2:040x}")
    tale = _consortium(story, aggregator=leader).enrol(3).start().commit(0, 1, 2).phase(Phase.REVEAL)
    tale.submit(0, "a").submit(1, "b").submit(2, "c").phase(Phase.EVALUATION).phase(Phase.AGGREGATION)
    work = _agreeing(tale.state)
    known = {work: _agreed(content)}
    assert _wants(tale.state, known, final=tale.state) == [work]
    _, proposal = _wants(tale.state, known, final=tale.state, me=dataclasses.replace(ME, address=leader))
    assert proposal.name == "submit_model"
    tale.vote_model(1, "model")
    # The third member's vote is enough.
    assert isinstance(_wants(tale.state, known, final=tale.state)[-1], WakeAt)
    third = dataclasses.replace(ME, address=Address(f"0x{3:040x}"))
    assert isinstance(_wants(tale.state, known, final=tale.state, me=third)[-1], Transact)
    other = {work: _agreed(content, "another")}
    assert _wants(tale.state, other, final=tale.state, me=third) == [work]


def test_who_computed_another_model_stops_for_good(settled, content):
    work = _agreeing(settled.state)
    settled.vote_model(1, "model").vote_model(2, "model").finalise("model", 900).start(2)
    state = settled.state
    with pytest.raises(ModelDisagreement, match=r"In round 1 .* agreed on the model baf.* computed baf"):
        _wants(state, {work: _agreed(content, "another")}, final=state)
    assert _wants(
        state, {work: _agreed(content, "model", "named against better knowledge")}, final=state
    ) == [work]
    assert _wants(state, final=state) == [work]  # it was away: computed now, before it is built upon


def test_who_was_away_at_the_end_still_computes_the_final_model(settled, content):
    work = _agreeing(settled.state)
    settled.vote_model(1, "model").vote_model(2, "model").finalise("model", 900)
    state = settled.phase(Phase.CLOSING).tell(e.TaskCompleted).state
    assert _wants(state) == []  # not before its end is final
    assert _wants(state, final=state) == [work]
    assert _wants(state, {work: _agreed(content)}, final=state) == [work]
    with pytest.raises(ModelDisagreement):
        _wants(state, {work: _agreed(content, "another")}, final=state)


def test_a_model_that_was_kept_is_nobodys(settled, content):
    work = _agreeing(settled.state)
    settled.vote_model(1, "model").finalise(None, 900).start(2)
    assert _wants(settled.state, {work: _agreed(content)}, final=settled.state) == []


def test_ballots_are_proposed_by_one_and_voted_by_the_others(story):
    state = _consortium(story).enrol(3).start().state
    fred = Address(f"0x{9:040x}")
    mine = Ballot(account=fred, admit=True, since=1)
    assert _wants(state, ballots=[mine]) == []
    (proposal,) = _wants(state, ballots=[dataclasses.replace(mine, proposes=True)])
    assert proposal.call == calls.propose(state.address, account=fred, admit=True)
    assert _wants(state, ballots=[dataclasses.replace(mine, since=2, proposes=True)]) == []


def test_an_open_proposal_gets_each_vote_once(story):
    tale = _consortium(story).enrol(3).start()
    fred = Address(f"0x{9:040x}")
    ballot = Ballot(account=fred, admit=True)
    tale.tell(e.MemberProposed, proposal=0, account=fred, admit=True, proposer=1)
    tale.tell(e.MemberVoted, proposal=0, index=1, passed=False)
    (vote,) = _wants(tale.state, ballots=[ballot])
    assert vote.call == calls.vote(tale.state.address, proposal=0)
    tale.tell(e.MemberVoted, proposal=0, index=0, passed=True)
    assert fred in tale.state.allowed
    assert _wants(tale.state, ballots=[ballot]) == []
