# SPDX-License-Identifier: Apache-2.0
"""How a consortium's members judged each other, computed again from the scores that they opened on chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bcfl.contracts import settlement
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.scenarios.definition.tokens import CREDIT_UNIT

__all__ = ("Fault", "JudgeRecord", "judges_of", "who_judged_whom", "why")


class Fault(StrEnum):
    """Why a judge was paid nothing in a round, as a phrase."""

    OTHER_PROBE = "no proof that it had run the models"
    TOO_FAR = "too far from what was settled"
    NOT_OPENED = "scores not opened (which costs the round's pay, and the bond)"
    NOT_JUDGED = "no scores"
    TOO_FEW = "too few judged"


@dataclass(frozen=True, kw_only=True)
class JudgeRecord:
    """One judge over all rounds that had something to judge.

    Attributes:
        rounds: in which it could have judged.
        paid: in base units.
        most: what a judge who agrees exactly with what is settled gets, in base units.
        distances: how far its shares were from the settled ones, summed over the others, in each round in which its
            scores counted: 0 is agreement, 2 as far as can be.
        faults: in how many rounds it was paid nothing, by cause.
    """

    rounds: int
    paid: int
    most: int
    distances: tuple[float, ...] = ()
    faults: Mapping[Fault, int] = field(default_factory=dict)


def judges_of(state: ConsortiumState) -> dict[TrainerIndex, JudgeRecord]:
    """Every member's record as a judge."""
    settled = [record for record in state.rounds.values() if record.settled]
    return {
        index: _judge(index, [record for record in settled if index in record.cohort], state.config)
        for index in state.members
    }


def _judge(index: TrainerIndex, rounds: list[ConsortiumRound], config: TaskConfig) -> JudgeRecord:
    distances = {
        record.number: settlement.settle(record.targets, record.vectors).distances[index]
        / settlement.FRACTION_UNIT
        for record in rounds
        if record.scores and index in record.vectors
    }
    tolerance = config.tolerance / SCORE_UNIT
    faults = (_fault(record, index, distances.get(record.number, 0.0) >= tolerance) for record in rounds)
    return JudgeRecord(
        rounds=len(rounds),
        paid=sum(record.evaluation_pay.get(index, 0) for record in rounds) * CREDIT_UNIT,
        most=sum(config.evaluation_pool // len(record.cohort) for record in rounds) * CREDIT_UNIT,
        distances=tuple(distances.values()),
        faults=Counter(fault for fault in faults if fault is not None),
    )


def _fault(record: ConsortiumRound, index: TrainerIndex, far: bool) -> Fault | None:
    if index not in record.score_commitments:
        return Fault.NOT_JUDGED
    if index in record.forfeiters:
        return Fault.NOT_OPENED
    if not record.scores:
        return Fault.TOO_FEW
    if record.probes[index] != settlement.majority_probe(record.probes):
        return Fault.OTHER_PROBE
    return Fault.TOO_FAR if far else None


def why(record: JudgeRecord) -> str:
    """Why a judge was paid nothing in some rounds, as a phrase; empty where it was paid in all."""
    counts = {fault: record.faults[fault] for fault in Fault if record.faults.get(fault)}
    return "; ".join(f"{fault} in {count} of {record.rounds} rounds" for fault, count in counts.items())


def who_judged_whom(state: ConsortiumState) -> dict[TrainerIndex, dict[TrainerIndex, float]]:
    """By judge and target: the mean share, 0 to 1, that the judge's scores gave; by itself: its own settled share.

    The scores of a round are parts of what is left beside the judge's own settled share, as the settlement scales
    them: so honest judges' numbers on one target agree, and a judge's numbers of a round add up to 1.
    """
    given: dict[TrainerIndex, dict[TrainerIndex, list[float]]] = {}
    for record in state.rounds.values():
        for judge, target, share in _shares(record):
            given.setdefault(judge, {}).setdefault(target, []).append(share)
    return {
        judge: {target: sum(shares) / len(shares) for target, shares in sorted(row.items())}
        for judge, row in sorted(given.items())
    }


def _shares(record: ConsortiumRound) -> Iterator[tuple[TrainerIndex, TrainerIndex, float]]:
    """Judge, target, share: of a round whose scores were settled."""
    for judge, vector in record.vectors.items() if record.scores else ():
        own = record.scores.get(judge, 0) / SCORE_UNIT
        whole = sum(score for score in vector.values() if score > 0)
        if judge in record.targets:
            yield judge, judge, own
        for target, score in vector.items():
            yield judge, target, max(score, 0) / whole * (1 - own) if whole else 0.0
