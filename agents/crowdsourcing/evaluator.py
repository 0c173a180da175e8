# SPDX-License-Identifier: Apache-2.0
"""The evaluator: bonds, scores a round's updates on its own validation set, aggregates, selects."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bcfl.agents.common.behaviour import HONEST_JUDGE, JudgeConduct, Judgement
from bcfl.agents.common.decisions import Scored, Scoring, Telling
from bcfl.agents.common.keeper import credit_waiting
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.spare_gas import after_the_round
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluation, RoundEvaluator
from bcfl.agents.crowdsourcing.objecting.clearing import Reexamine, decide_clearing
from bcfl.agents.crowdsourcing.objecting.evaluation_check import EvaluationCheck
from bcfl.agents.crowdsourcing.sanctions import applicable
from bcfl.agents.crowdsourcing.selection import rank
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts.calls import Permit, Sanction
from bcfl.contracts.commitments import salt_for, validation_commitment
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import Phase, Selection
from bcfl.contracts.scores import to_bitmap
from bcfl.contracts.state import UpdateRecord
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import FetchError

__all__ = ("AllowBond", "Evaluate", "Evaluator", "EvaluatorIdentity", "PostedEvaluation", "decide")


@dataclass(frozen=True, kw_only=True)
class EvaluatorIdentity:
    """Who an evaluator is and the digest (32 bytes) of the validation set that it binds itself to."""

    name: str
    address: Address
    secret: bytes
    validation_digest: bytes

    def salt(self, task: Address) -> bytes:
        """Of its commitment to the validation set."""
        return salt_for(self.secret, task, 0)


@dataclass(frozen=True, kw_only=True)
class AllowBond(Work[Permit]):
    """Sign a permit for the bond."""

    task: Address
    token: Address
    amount: int


@dataclass(frozen=True, kw_only=True)
class Evaluate(Work["PostedEvaluation"]):
    """Score and fold exactly these updates."""

    specification: ContentId
    start: ContentId
    updates: tuple[tuple[TrainerIndex, UpdateRecord], ...]
    max_update_size: int
    state: CrowdState = field(compare=False)
    """What was public when it was wanted; the newest does not make it another work."""


@dataclass(frozen=True, kw_only=True)
class PostedEvaluation:
    """What is posted; the model and the report are in the store."""

    scores: Mapping[TrainerIndex, int]
    model: ContentId
    report: ContentId
    sanctions: tuple[tuple[TrainerIndex, int, int], ...] = ()
    """Index, rounds (0 ejects) and reason code of each."""


def decide(view: View, me: EvaluatorIdentity, results: Results) -> list[Action]:
    """All that an evaluator wants now."""
    state = CrowdState.of(view.seen)
    if state is None:
        return []
    place = next((n for n, evaluator in enumerate(state.evaluators) if evaluator.account == me.address), None)
    if place is None:
        return []
    clearing = list(decide_clearing(view, state, place, results))
    if state.ended:
        return [*clearing, *_leave(view, me, place)]
    standing = state.evaluators[place]
    if standing.bond is None and not standing.removed and state.phase < Phase.CLOSING:
        if view.final is None:
            return []  # a call that arrives before its task, after a reorganisation, would do nothing
        return _bond(state, me, place, results)
    if state.phase is Phase.EVALUATION and state.active_evaluator == place and not state.current.scores:
        return [*clearing, *_evaluate(view, state, results)]
    return clearing


def _bond(state: CrowdState, me: EvaluatorIdentity, place: int, results: Results) -> list[Action]:
    permit, allow = calls.NO_PERMIT, None
    if state.config.bond:
        allow = AllowBond(round=0, task=state.address, token=state.token, amount=state.config.bond)
        if allow not in results:
            return [allow]
        permit = results[allow]
    call = calls.bond(
        state.address,
        evaluator=place,
        validation_commitment=validation_commitment(me.salt(state.address), me.validation_digest),
        permit=permit,
    )
    # Where the task is full already, the bond begins its first round.
    return [Transact(round=0, name="bond", call=call, spare_gas=after_the_round(state), remade=allow)]


def _evaluate(view: View, state: CrowdState, results: Results) -> list[Action]:
    work = Evaluate(
        round=state.round,
        specification=state.config.specification,
        start=state.current.start_model,
        updates=tuple(sorted(state.current.updates.items(), key=lambda item: item[0])),
        max_update_size=state.config.max_update_size,
        state=state,
    )
    evaluation: PostedEvaluation | None = results.get(work)
    if evaluation is None:
        return [work]
    # Scores are by index order of who has revealed: they must not reach another set of updates.
    if not view.is_final(state.round, Phase.EVALUATION):
        return [work]
    waiting = credit_waiting(view)
    if (
        waiting is not None or state.uncredited is not None
    ):  # until they are written the evaluation would revert
        return [work] if waiting is None else [work, waiting]
    sanctions = applicable(state, evaluation.sanctions)
    ranking: tuple[int, ...] = ()
    if state.config.selection is Selection.SCORE_ORDER:
        sanctioned = {index for index, _, _ in sanctions}
        ranking = to_bitmap(rank(state, dict(evaluation.scores), sanctioned), len(state.members))
    call = calls.submit_evaluation(
        state.address,
        round_number=state.round,
        scores=[evaluation.scores[index] for index in sorted(evaluation.scores)],
        model=evaluation.model,
        report=evaluation.report,
        # The report is the evidence of every sanction: the contract shows its digest beside each.
        sanctions=[
            Sanction(index=index, rounds=rounds, reason=reason, evidence=evaluation.report.digest)
            for index, rounds, reason in sanctions
        ],
        ranking=ranking,
    )
    evidence = {"model": cid_text(evaluation.model), "report": cid_text(evaluation.report)}
    spare = after_the_round(state)
    return [work, Transact(round=state.round, name="evaluate", call=call, evidence=evidence, spare_gas=spare)]


def _leave(view: View, me: EvaluatorIdentity, place: int) -> list[Action]:
    final = CrowdState.of(view.final)
    if final is None or not final.ended:
        return []
    standing = final.evaluators[place]
    if standing.accused_in is not None:
        return []  # anybody but itself has its bond shared
    task = final.address
    # Only a public audit opens the set to everybody; the bond waits for it.
    if final.config.public_audit and standing.served and not standing.opened:
        call = calls.open_validation(task, evaluator=place, digest=me.validation_digest, salt=me.salt(task))
        return [Transact(round=final.round, name="open_validation", call=call)]
    if standing.bond and not standing.returned:
        return [
            Transact(round=final.round, name="withdraw_bond", call=calls.withdraw_bond(task, evaluator=place))
        ]
    return []


class Evaluator:
    """An evaluator's hands; ``check`` looks at what an accused predecessor did."""

    role = "evaluator"

    def __init__(
        self,
        *,
        identity: EvaluatorIdentity,
        rounds: RoundEvaluator,
        validation_samples: int,
        services: AgentServices,
        conduct: JudgeConduct | None = None,
        check: EvaluationCheck | None = None,
    ) -> None:
        self.name = identity.name
        self.identity = identity
        self._conduct = conduct or JudgeConduct()
        self._rounds = rounds
        self._validation_samples = validation_samples
        self._services = services
        self._tell = Telling(observer=services.observer, agent=self.name, role=self.role)
        self._check = check or EvaluationCheck(services.retrieval)

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """All that it wants now."""
        actions = decide(view, self.identity, results)
        return self._conduct.judge.decide(view, self.identity.address, actions)

    async def perform(self, work: Work[Any]) -> PostedEvaluation | Permit | bool:
        """Do a piece of its work."""
        match work:
            case Evaluate():
                return await self._evaluate(work)
            case Reexamine():
                return await self._check.repeats(work.check, secret=self.identity.secret)
            case AllowBond():
                return await self._services.permits.permit(work.token, spender=work.task, amount=work.amount)
            case _:
                raise TypeError(f"An evaluator does not know {work!r}.")

    async def _evaluate(self, work: Evaluate) -> PostedEvaluation:
        specification = await self._services.retrieval.specification(work.specification)
        self._tell(work.round, Scoring())
        outcome = await self._rounds.evaluate(
            specification=specification,
            rounds=work.state.rounds,
            round_number=work.round,
            max_update_size=work.max_update_size,
        )
        judgement, named = self._judged(work, outcome)
        for index, record in work.updates:
            if index in outcome.examined:
                # Whoever repeats the round must find what was examined, a cheat's update above all; a member who took it
                # away since is no reason to fail.
                with contextlib.suppress(FetchError):
                    await self._services.store.pin(record.content)
        model = await self._conduct.judge.publish(named, self._services.store)
        if self._conduct.judge is HONEST_JUDGE:
            await self._services.store.pin(model)
        if outcome.memory is not None:
            await self._services.store.pin(await self._services.store.put(outcome.memory))
        report = EvaluationReport(
            round=work.round,
            start_model=work.start,
            model=model,
            scores=judgement.scores,
            weights=outcome.weights,
            validation_samples=self._validation_samples,
            validation_loss=outcome.validation_loss,
            rejected=outcome.rejected,
            evidence=outcome.evidence,
            sanctions=judgement.sanctions,
            start_loss=outcome.start_loss,
            start_accuracy=outcome.start_accuracy,
            loss=outcome.loss,
            accuracy=outcome.accuracy,
        )
        stored = await self._services.store.put(report.encode())
        await self._services.store.pin(stored)
        scored = Scored(
            loss=outcome.loss,
            accuracy=outcome.accuracy,
            start_loss=outcome.start_loss,
            start_accuracy=outcome.start_accuracy,
            validation_loss={str(index): loss for index, loss in outcome.validation_loss.items()},
            reported_samples=specification.reported_samples,
            rejected={str(index): reason for index, reason in outcome.rejected.items()},
            evidence={str(index): dict(found) for index, found in outcome.evidence.items()},
        )
        self._tell(work.round, scored)
        return PostedEvaluation(
            scores=judgement.scores, model=model, report=stored, sanctions=judgement.sanctions
        )

    def _judged(self, work: Evaluate, outcome: RoundEvaluation) -> tuple[Judgement, bytes]:
        """What is posted, and the model's bytes: what was found, unless the evaluator misbehaves."""
        rng = np.random.default_rng(self._conduct.seeds.integer("judge", self.name, work.round))
        judgement = self._conduct.judge.judge(
            Judgement(scores=outcome.scores, sanctions=outcome.sanctions),
            state=work.state,
            friends=self._conduct.friends(work.state),
            rng=rng,
        )
        return judgement, self._conduct.judge.name_model(outcome.model, rng=rng)
