# SPDX-License-Identifier: Apache-2.0
"""What a crowd's contract could not have said in a given state: of evaluators, objections and their bonds. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.contracts import events as e
from bcfl.contracts.crowd_state import CrowdRound, CrowdState

__all__ = ("crowd_rules",)


def crowd_rules(state: CrowdState, event: e.Event) -> Iterator[str]:
    """Why not, beside the rules of every task."""
    if isinstance(event, e.Objected | e.EvaluationReverted) and event.round != state.objectionable:
        yield f"it is of round {event.round}, the evaluation of which cannot be objected to"
    match event:
        case e.EvaluationSubmitted() | e.EvaluatorRemoved() | e.EvaluationReverted() if (
            event.evaluator != state.active_evaluator
        ):
            yield f"evaluator {event.evaluator} is not the active one"
        case e.EvaluationReverted() if event.successor != _successor(state, event):
            yield f"evaluator {event.successor} does not succeed evaluator {event.evaluator}"
        case e.EvaluatorCleared() | e.BondForfeited() if not _accused(state, event.evaluator):
            yield f"evaluator {event.evaluator} is not accused"
        case e.Objected():
            record = state.rounds.get(event.round, CrowdRound(number=0, start_model=state.model, cohort=()))
            if event.index in record.objections or event.index not in record.updates:
                yield f"member {event.index} cannot object"
        case e.EvaluatorBonded():
            yield from _bonding(state, event)
        case e.BondReturned():
            known = state.evaluators[event.evaluator] if _listed(state, event.evaluator) else None
            due = None if known is None or known.returned else known.bond
            if event.amount != due:
                yield f"{event.amount} was returned where {due or 0} was bound (10⁻⁹ token)"


def _bonding(state: CrowdState, event: e.EvaluatorBonded) -> Iterator[str]:
    known = state.evaluators[event.evaluator] if _listed(state, event.evaluator) else None
    if known is None or known.account != event.account or known.bond is not None:
        yield f"{event.account} cannot be bound as evaluator {event.evaluator}"
    if event.bond != state.config.bond:
        yield f"its bond is {event.bond}, the task asks for {state.config.bond}"


def _successor(state: CrowdState, event: e.EvaluationReverted) -> int:
    """The first who is bonded beside it; itself where there is nobody."""
    places = (
        place
        for place, one in enumerate(state.evaluators)
        if place != event.evaluator and one.bond is not None and not one.removed
    )
    return next(places, event.evaluator)


def _accused(state: CrowdState, place: int) -> bool:
    return _listed(state, place) and state.evaluators[place].accused_in is not None


def _listed(state: CrowdState, place: int) -> bool:
    return 0 <= place < len(state.evaluators)
