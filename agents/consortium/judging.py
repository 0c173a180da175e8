# SPDX-License-Identifier: Apache-2.0
"""How a consortium's member comes to its scores: judge, commit, and open once nobody can commit any more."""

from __future__ import annotations

from dataclasses import dataclass, field

from bcfl.agents.common.commit_reveal import committed_result
from bcfl.agents.common.joining import TrainerIdentity
from bcfl.agents.consortium.opinion import Opinion
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts.commitments import score_commitment
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import UpdateRecord

__all__ = ("JudgeRound", "decide_judging", "decide_opening")

_SETTLEMENT_GAS = 60_000
"""A member of the cohort; whoever comes last ends the phase or settles the round. What is not used is not paid."""


@dataclass(frozen=True, kw_only=True)
class JudgeRound(Work[Opinion]):
    """Score exactly these updates on the member's own samples."""

    index: TrainerIndex
    updates: tuple[tuple[TrainerIndex, UpdateRecord], ...]
    state: ConsortiumState = field(compare=False)
    """What was public when it was wanted; the newest does not make it another work."""


def _judging(state: ConsortiumState, index: TrainerIndex) -> JudgeRound:
    record = state.current
    updates = tuple((target, record.updates[target]) for target in record.targets)
    return JudgeRound(round=state.round, index=index, updates=updates, state=state)


def decide_judging(
    view: View, state: ConsortiumState, index: TrainerIndex, me: TrainerIdentity, results: Results
) -> list[Action]:
    """What a member of the cohort wants in Evaluation."""
    if index in state.current.score_commitments:
        return []
    work = _judging(state, index)
    opinion: Opinion | None = results.get(work)
    # Scores are by index order of who has revealed: they must not reach another set of updates.
    if opinion is None or not view.is_final(state.round, Phase.EVALUATION):
        return [work]
    hidden = _hidden(state, index, me, opinion)
    call = calls.commit_scores(state.address, round_number=state.round, index=index, commitment=hidden)
    evidence = {"commitment": hidden.hex()}
    return [
        work,
        Transact(
            round=state.round,
            name="commit_scores",
            call=call,
            evidence=evidence,
            spare_gas=_SETTLEMENT_GAS,
        ),
    ]


def _hidden(state: ConsortiumState, index: TrainerIndex, me: TrainerIdentity, opinion: Opinion) -> bytes:
    return score_commitment(
        chain_id=me.chain_id,
        task=state.address,
        round_number=state.round,
        index=index,
        probe=opinion.probe,
        scores=opinion.scores,
        salt=opinion.salt,
    )


def decide_opening(
    view: View, state: ConsortiumState, index: TrainerIndex, me: TrainerIdentity, results: Results
) -> list[Action]:
    """What a member of the cohort wants in ScoreReveal."""
    record = state.current
    committed = record.score_commitments.get(index)
    # Until ScoreReveal is final a reorganisation could show the scores to others while they still commit.
    if committed is None or index in record.vectors or not view.is_final(state.round, Phase.SCORE_REVEAL):
        return []
    opinion = committed_result(
        results,
        JudgeRound,
        round_number=state.round,
        commitment=committed,
        hidden=lambda one: _hidden(state, index, me, one),
    )
    if opinion is None:
        return [_judging(state, index)]  # after a restart: the journal gives it back
    call = calls.reveal_scores(
        state.address,
        round_number=state.round,
        index=index,
        probe=opinion.probe,
        scores=opinion.scores,
        salt=opinion.salt,
    )
    spare = _SETTLEMENT_GAS * len(record.cohort)
    return [Transact(round=state.round, name="reveal_scores", call=call, spare_gas=spare)]
