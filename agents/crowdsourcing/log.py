# SPDX-License-Identifier: Apache-2.0
"""What the events of a crowd's task say of money, cohorts, removals and openings, beside what was due. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bcfl.agents.audit.final_account import account_findings
from bcfl.agents.audit.finding import Finding
from bcfl.agents.crowdsourcing.selection import rank
from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.commitments import validation_commitment
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.phases import Selection

__all__ = ("CrowdLog",)


class CrowdLog:
    """The checks of one task's log.

    Args:
        validation_digest: 32 bytes, of the validation set that the auditor has.
        names: of accounts, for people.
    """

    def __init__(self, *, validation_digest: bytes, names: Mapping[Address, str]) -> None:
        self._validation_digest = validation_digest
        self._names = names
        self._ranked: tuple[TrainerIndex, ...] | None = None

    def before(self, state: CrowdState, event: e.Event) -> Iterator[Finding]:
        """What an event says, beside the state that it meets."""
        match event:
            case e.EvaluationSubmitted():
                yield from _payout(state, event)
            case e.RoundStarted():
                yield from self._cohort(event)
            case e.EvaluatorRemoved():
                yield from _removed(state, event)
            case e.EvaluationReverted():
                yield from _reverted(state, event)
            case e.BondForfeited():
                yield from _forfeited(state, event)
            case e.ValidationOpened():
                yield from self._validation(state, event)

    def after(self, state: CrowdState, event: e.Event) -> Iterator[Finding]:
        """What a round has paid; the cohort that scores choose, with sanctions folded in."""
        if not isinstance(event, e.RoundFinalized):
            return
        record = state.rounds[event.round]
        if event.payout != record.payout:
            yield Finding(
                round=event.round,
                subject="payout",
                message=f"the round ended with {event.payout} where {record.payout} was credited",
                event=event,
            )
        scores = state.current.scores
        ranks = state.config.selection is Selection.SCORE_ORDER and scores
        self._ranked = rank(state, dict(scores), ()) if ranks else None

    def end(self, state: CrowdState) -> Iterator[Finding]:
        """Once the task has ended: everybody got what they earned, and what came in went out."""
        if not state.ended:
            return
        yield from account_findings(state, self._names)
        for place, evaluator in enumerate(state.evaluators):
            if state.config.public_audit and evaluator.served and not evaluator.opened:
                yield Finding(
                    subject=f"evaluator {place}",
                    message="its validation set was never opened, so its scores prove nothing",
                )

    def _cohort(self, event: e.RoundStarted) -> Iterator[Finding]:
        ranked, self._ranked = self._ranked, None
        if ranked is not None and event.cohort != ranked:
            yield Finding(
                round=event.round,
                subject="cohort",
                message=f"{list(event.cohort)} was chosen, the scores rank {list(ranked)}",
                event=event,
            )

    def _validation(self, state: CrowdState, event: e.ValidationOpened) -> Iterator[Finding]:
        committed = state.evaluators[event.evaluator].validation_commitment
        message = None
        if validation_commitment(event.salt, event.digest) != committed:
            message = "the opened validation set is not the one committed to"
        elif event.digest != self._validation_digest:
            message = "the validation set at hand is not the one that was opened"
        if message is not None:
            yield Finding(subject=f"evaluator {event.evaluator}", message=message, event=event)


def _payout(state: CrowdState, event: e.EvaluationSubmitted) -> Iterator[Finding]:
    due = settlement.payout(
        event.scores,
        rate=state.config.rate,
        round_budget=state.config.round_budget,
        bonus=state.bonus,
        escrow=state.escrow,
    )
    if due != event.payout:
        yield Finding(
            round=event.round,
            subject="payout",
            message=f"{event.payout} was paid where the scores give {due} (10⁻⁹ token)",
            event=event,
        )


def _removed(state: CrowdState, event: e.EvaluatorRemoved) -> Iterator[Finding]:
    """A silent evaluator loses half its bond."""
    due = (state.evaluators[event.evaluator].bond or 0) // 2
    if event.slashed != due:
        yield _of_evaluator(event, f"it lost {event.slashed} of its bond, {due} was due (10⁻⁹ token)")


def _reverted(state: CrowdState, event: e.EvaluationReverted) -> Iterator[Finding]:
    """More than two thirds objected, and it is accused exactly where so many blame it."""
    record = state.rounds[event.round]
    needed = 2 * len(record.updates)
    if 3 * len(record.objections) <= needed or event.accused != (3 * len(record.blaming) > needed):
        yield _of_evaluator(
            event,
            f"{len(record.objections)} objections of {len(record.updates)} members, {len(record.blaming)} of which "
            f"blame it, {'accused' if event.accused else 'reverted'} it",
        )


def _forfeited(state: CrowdState, event: e.BondForfeited) -> Iterator[Finding]:
    """An accused evaluator's bond is shared whole, or half of it where nobody succeeded it."""
    evaluator = state.evaluators[event.evaluator]
    bond = evaluator.bond or 0
    due = bond // 2 if event.evaluator == state.last_evaluator else bond
    if evaluator.accused_in != event.round or event.amount != due:
        yield _of_evaluator(event, f"{event.amount} of its bond was shared, {due} was due (10⁻⁹ token)")


def _of_evaluator(
    event: e.EvaluatorRemoved | e.EvaluationReverted | e.BondForfeited, message: str
) -> Finding:
    subject = f"evaluator {event.evaluator}"
    return Finding(round=event.round, subject=subject, message=message, event=event)
