# SPDX-License-Identifier: Apache-2.0
"""When a trainer objects to an evaluation, and what it may train from meanwhile; what it finds is ``evaluation_check``'s."""

from __future__ import annotations

from bcfl.agents.common.decisions import Objecting
from bcfl.agents.common.spare_gas import after_the_round
from bcfl.agents.crowdsourcing.objecting.evaluation_check import CheckEvaluation
from bcfl.agents.runtime.actions import Action, Results, Transact, View
from bcfl.contracts import calls
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import TrainerIndex

__all__ = ("decide_objection",)


def decide_objection(
    view: View, state: CrowdState, index: TrainerIndex, results: Results
) -> tuple[list[Action], bool]:
    """What a member wants of the evaluation that stands open to objection, and whether it may go on with the model.

    Only who revealed in that round has a voice, so nobody else checks. Who objects goes on once its objection is included:
    a commitment says that one is content with the model, and enough of them close the window for all.
    """
    number = state.objectionable
    if number is None or index not in state.rounds[number].updates:
        return [], True
    record = state.rounds[number]
    assert record.model is not None  # noqa: S101 - an evaluated round that is over
    assert record.report is not None  # noqa: S101
    check = CheckEvaluation(
        round=number, task=state.address, model=record.model, report=record.report, state=state
    )
    if check not in results:
        return [check], False
    finding = results[check]
    if finding is None:
        return [check], True
    if index in record.objections:
        return [check], finding.usable
    # After a reorganisation the round may have another evaluation than the one that was checked.
    final = CrowdState.of(view.final)
    if final is None or final.objectionable != number or final.rounds[number].model != record.model:
        return [check], False
    call = calls.object_to(state.address, round_number=number, index=index, blames=finding.blames)
    transact = Transact(
        round=number,
        name="object",
        call=call,
        evidence=Objecting(reason=finding.reason, blames=finding.blames).model_dump(),
        spare_gas=after_the_round(state),  # it may turn out to be the one that decides
    )
    return [check, transact], False
