# SPDX-License-Identifier: Apache-2.0
"""How a consortium's members agree on a model: each computes it, most must name the same, and nobody trains on another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bcfl.agents.errors import ModelDisagreement
from bcfl.agents.runtime.actions import Action, Results, Transact, View, WakeAt, Work
from bcfl.contracts import calls
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.ids import ZERO_ADDRESS, ContentId, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import UpdateRecord
from bcfl.storage.content_id import cid_text

__all__ = ("AgreeModel", "Agreed", "decide_agreement", "verify")

_ROUND_GAS = 300_000
"""Whose vote decides ends the round and starts the next. What is not used is not paid."""

_PARTS = 16
"""Whose vote is not needed stands by for one of these parts of the phase."""


@dataclass(frozen=True, kw_only=True)
class AgreeModel(Work["Agreed | None"]):
    """Compute the next model from exactly these updates and settled scores."""

    updates: tuple[tuple[TrainerIndex, UpdateRecord], ...]
    scores: tuple[tuple[TrainerIndex, int], ...]
    start: ContentId
    record: ConsortiumRound = field(compare=False)
    state: ConsortiumState = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """The model as this member computed it, and the one that it names: another one only if it misbehaves."""

    model: ContentId
    named: ContentId


def _agreeing(state: ConsortiumState, record: ConsortiumRound) -> AgreeModel:
    return AgreeModel(
        round=record.number,
        updates=tuple((target, record.updates[target]) for target in record.targets),
        scores=tuple(sorted(record.scores.items())),
        start=record.start_model,
        record=record,
        state=state,
    )


def decide_agreement(
    view: View, state: ConsortiumState, index: TrainerIndex, results: Results
) -> list[Action]:
    """What a member of the cohort wants in Aggregation; with a named aggregator it confirms what that one proposed."""
    record = state.current
    work = _agreeing(state, record)
    agreed: Agreed | None = results.get(work)
    if index in record.model_votes or agreed is None or not view.is_final(state.round, Phase.AGGREGATION):
        return [work]
    leader = state.config.aggregator
    if leader not in {ZERO_ADDRESS, state.members[index].account}:
        proposed = record.model_votes.get(state.index_of.get(leader, TrainerIndex(-1)))
        if proposed != agreed.named:
            return [work]  # nothing is proposed yet, or nothing that it could confirm
    stands_by_until = state.deadline - state.config.schedule.aggregation * (_PARTS - 1) // _PARTS
    if view.now < stands_by_until and _others_suffice(state, record, index, agreed.named):
        return [work, WakeAt(stands_by_until)]
    call = calls.submit_model(state.address, round_number=state.round, model=agreed.named)
    evidence = {"cid": cid_text(agreed.named)}
    return [
        work,
        Transact(round=state.round, name="submit_model", call=call, evidence=evidence, spare_gas=_ROUND_GAS),
    ]


def _others_suffice(
    state: ConsortiumState, record: ConsortiumRound, index: TrainerIndex, model: ContentId
) -> bool:
    """Whether those whose turn is before this member's can still make a majority for its model.

    A vote after the deciding one reverts and is paid all the same. Turns go round, so that all pay alike over time.
    """
    cohort = record.cohort
    shift = record.number % len(cohort)
    order = [*cohort[shift:], *cohort[:shift]]
    leader = state.index_of.get(state.config.aggregator)
    if leader in order:
        order = [leader, *(other for other in order if other != leader)]
    votes = record.model_votes
    for_it = sum(vote == model for vote in votes.values())
    to_come = sum(other not in votes for other in order[: order.index(index)])
    return 2 * (for_it + to_come) > len(cohort)


def verify(view: View, results: Results) -> Iterator[AgreeModel]:
    """Compute the last agreed model too, if that has not been done, and compare.

    Raises:
        ModelDisagreement: it is another one.
    """
    final = ConsortiumState.of(view.final)
    if final is None:
        return
    record = next(
        (
            final.rounds[number]
            for number in (final.round, final.round - 1)
            if number in final.rounds and final.rounds[number].finalized
        ),
        None,
    )
    if record is None or record.model is None or record.model not in record.model_votes.values():
        return  # nobody voted, so the model was kept
    work = _agreeing(final, record)
    agreed: Agreed | None = results.get(work)
    if agreed is not None and agreed.model != record.model:
        raise ModelDisagreement(
            f"In round {record.number} the consortium agreed on the model {cid_text(record.model)}, but this member computed "
            f"{cid_text(agreed.model)} from the same updates: compare versions of bcfl, numpy and the processor before "
            f"it takes part again."
        )
    yield work
