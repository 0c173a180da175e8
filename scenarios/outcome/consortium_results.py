# SPDX-License-Identifier: Apache-2.0
"""The tables of a consortium, from its task's state and what its members and the runner said in the event log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bcfl.agents.common.decisions import Aggregated, Judged
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.ids import TrainerIndex
from bcfl.scenarios.definition.tokens import CREDIT_UNIT
from bcfl.scenarios.outcome.summary import MemberSummary, RoundAgreement
from bcfl.storage.content_id import cid_text

__all__ = ("agreement_of", "members_of")


def agreement_of(
    record: ConsortiumRound,
    names: Mapping[TrainerIndex, str],
    judged: Mapping[str, Judged],
    aggregated: Mapping[str, Aggregated],
) -> RoundAgreement:
    """How a round's scores and model came about.

    Args:
        record: of the round.
        names: of the members.
        judged: what they said of their judging.
        aggregated: what they said of their aggregation.
    """
    voted = record.model in record.model_votes.values()
    computed: Mapping[str, int] = next((aggregated[name].weights for name in sorted(aggregated)), {})
    return RoundAgreement(
        settled=record.settled and bool(record.scores),
        evaluation_tokens={
            names[index]: str(amount * CREDIT_UNIT) for index, amount in record.evaluation_pay.items()
        },
        judged_loss={name: judged[name].loss for name in sorted(judged)},
        judged_accuracy={name: judged[name].accuracy for name in sorted(judged)},
        not_judged=_missing(record, names, record.score_commitments) if record.updates else (),
        not_opened=tuple(names[index] for index in record.forfeiters),
        votes={names[index]: cid_text(model) for index, model in record.model_votes.items()},
        not_voted=_missing(record, names, record.model_votes) if record.settled else (),
        model=cid_text(record.model) if voted and record.model is not None else None,
        weights={names[TrainerIndex(int(index))]: weight for index, weight in computed.items()}
        if voted
        else {},
    )


def _missing(
    record: ConsortiumRound, names: Mapping[TrainerIndex, str], acted: Mapping[TrainerIndex, object]
) -> tuple[str, ...]:
    return tuple(names[index] for index in record.cohort if index not in acted)


def members_of(
    state: ConsortiumState,
    names: Mapping[TrainerIndex, str],
    participants: Mapping[str, Mapping[str, Any]],
    measured: Mapping[str, Mapping[str, Any]],
) -> dict[str, MemberSummary]:
    """Everybody's table.

    Args:
        state: after all events.
        names: of those who joined.
        participants: as the first record of the event log has them.
        measured: by name, what the runner measured with each member's models.
    """
    rounds = state.rounds.values()
    index_of = {name: index for index, name in names.items()}
    everything = sum(sum(record.scores.values()) for record in rounds)
    found = {}
    for name, entry in participants.items():
        if entry["role"] != "member":
            continue
        index = index_of.get(name)
        training, judging, score = (
            sum(part.get(index, 0) for part in parts) if index is not None else 0
            for parts in (
                [record.credits for record in rounds],
                [record.evaluation_pay for record in rounds],
                [record.scores for record in rounds],
            )
        )
        found[name] = MemberSummary(
            training_tokens=str(training * CREDIT_UNIT),
            judging_tokens=str(judging * CREDIT_UNIT),
            contribution=score / everything if everything else None,
            samples=entry["samples"],
            held_out=entry["held_out"],
            judge=entry["judge"],
            flipped=entry["flipped"],
            **measured.get(name, {}),
        )
    return found
