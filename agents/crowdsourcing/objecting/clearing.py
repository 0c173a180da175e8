# SPDX-License-Identifier: Apache-2.0
"""What an evaluator owes the one before it, whom members blame: to look, and to say so where it did what it should.

More than two thirds of a round's revealers take an evaluator's place, whether they are right or not. What they cannot take
is its bond, as long as its successor finds that its evaluation repeats from what members handed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bcfl.agents.crowdsourcing.objecting.evaluation_check import CheckEvaluation
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts.crowd_state import CrowdState

__all__ = ("Reexamine", "decide_clearing")


@dataclass(frozen=True, kw_only=True)
class Reexamine(Work[bool]):
    """Does what the one before evaluated come out of what members handed in?"""

    check: CheckEvaluation


def decide_clearing(view: View, state: CrowdState, place: int, results: Results) -> Iterator[Action]:
    """What evaluator number ``place`` of the list wants of those before it.

    It looks while trainers do, for a model that comes only afterwards was withheld from them; and once it is the active one, it
    clears whom it found nothing against.
    """
    number = state.objectionable
    me = state.evaluators[place]
    if number is not None and me.bond and not me.removed and state.rounds[number].evaluator != place:
        yield _look(state, number)
    final = CrowdState.of(view.final)
    if final is None or state.active_evaluator != place:
        return
    for other, evaluator in enumerate(final.evaluators):
        number = evaluator.accused_in
        if number is None or other == place or state.evaluators[other].accused_in != number:
            continue
        look = _look(final, number)
        yield look
        if results.get(look):
            call = calls.clear(state.address, evaluator=other)
            yield Transact(round=number, name=f"clear:{other}", call=call)


def _look(state: CrowdState, number: int) -> Reexamine:
    record = state.rounds[number]
    assert record.model is not None  # noqa: S101 - it was evaluated
    assert record.report is not None  # noqa: S101
    check = CheckEvaluation(
        round=number, task=state.address, model=record.model, report=record.report, state=state
    )
    return Reexamine(round=number, check=check)
