# SPDX-License-Identifier: Apache-2.0
"""What a watcher of a run sees, folded from its events; pure, so that every view shows the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bcfl.contracts.phases import Kind
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import RoundAgreement, RoundSummary, Summary
from bcfl.scenarios.running.progress import (
    AgentChanged,
    GasUsed,
    PhaseChanged,
    Preparing,
    RoundDone,
    RunEnded,
    RunEvent,
    RunStarted,
)
from bcfl.views.kit.verdicts import reason_words
from bcfl.views.run.unpaid import Unpaid, unpaid_in

__all__ = ("Board", "Row", "judged_by_members", "watched")

_JUDGING = {"scoring": "judging", "scored": "judged"}
"""What a member is at where an evaluator would be scoring."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One participant; ``tokens`` in base units over all rounds so far, ``score`` of the last settled round.

    ``verdict``: since when and why it is suspended or ejected; ``unpaid``: why the last settled round paid it nothing.
    """

    name: str
    role: str
    activity: str = "waiting"
    loss: float | None = None
    score: float | None = None
    tokens: int = 0
    verdict: str = ""
    unpaid: str = ""


@dataclass(frozen=True, kw_only=True)
class Board:
    """The state of a run on one screen; ``loss`` and ``accuracy`` are the global model's.

    ``before``: they are what a consortium's members measured, on their own samples, of the model that the last settled
    round began with.
    """

    name: str = ""
    rounds: int = 0
    round: int = 0
    settled: int = 0
    phase: str = "starting"
    deadline: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    before: bool = False
    rows: Mapping[str, Row] = field(default_factory=dict)
    gas: Mapping[str, int] = field(default_factory=dict)
    summary: Summary | None = None
    notes: tuple[str, ...] = ()
    """What the data say of themselves."""

    def counted(self, role: str, activity: str) -> int:
        """How many of a role are at an activity."""
        return sum(row.role == role and row.activity == activity for row in self.rows.values())


def watched(board: Board, event: RunEvent) -> Board:
    """The board after an event."""
    match event:
        case Preparing():
            return replace(board, name=event.scenario, phase=event.what)
        case RunStarted():
            scenario = event.scenario
            role = "member" if scenario.kind is Kind.CONSORTIUM else "trainer"
            rows = {name: Row(name=name, role="evaluator") for name in event.evaluators}
            rows |= {name: Row(name=name, role=role) for name in event.trainers}
            return Board(name=scenario.name, rounds=scenario.task.rounds, rows=rows, notes=event.notes)
        case PhaseChanged():
            return replace(board, round=event.round, phase=event.phase, deadline=event.deadline)
        case AgentChanged():
            row = board.rows.get(event.name, Row(name=event.name, role=event.role))
            loss = row.loss if event.loss is None else event.loss
            verdict = row.verdict if row.activity == "ejected" else ""  # who acts again is back
            known = _JUDGING if event.role == "member" else {}
            activity = known.get(event.activity, event.activity)
            changed = replace(row, role=event.role, activity=activity, loss=loss, verdict=verdict)
            return replace(board, rows={**board.rows, event.name: changed})
        case GasUsed():
            return replace(board, gas={**board.gas, event.role: board.gas.get(event.role, 0) + event.gas})
        case RoundDone():
            return _settled(board, event)
        case RunEnded():
            final = event.summary.final
            return replace(
                board,
                phase=event.summary.status,
                summary=event.summary,
                loss=final.loss,
                accuracy=final.accuracy,
                before=False,
            )


def judged_by_members(agreement: RoundAgreement) -> tuple[float | None, float | None]:
    """Mean loss and accuracy, over the members, of the model that a round began with, each on samples of its own."""
    return _mean(agreement.judged_loss.values()), _mean(agreement.judged_accuracy.values())


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _settled(board: Board, event: RoundDone) -> Board:
    done = event.summary
    judging = {} if done.agreement is None else done.agreement.evaluation_tokens
    unpaid = {one.name: one for one in unpaid_in(done)}
    rows = {name: replace(row, unpaid="") for name, row in board.rows.items()}
    for name in {
        *done.scores,
        *done.tokens,
        *judging,
        *done.local_loss,
        *done.rejected,
        *done.ejected,
        *done.suspended,
    }:
        row = rows.get(name, Row(name=name, role="trainer" if done.agreement is None else "member"))
        activity, verdict = row.activity, row.verdict
        if name in done.ejected:
            activity = "ejected"
        elif name in done.suspended:
            activity = "suspended"
        if name in done.reasons:
            verdict = f"round {done.round}: {reason_words(done.reasons[name])}"
        rows[name] = replace(
            row,
            activity=activity,
            verdict=verdict,
            unpaid=_unpaid(unpaid.get(name)),
            loss=row.loss if done.local_loss.get(name) is None else done.local_loss[name],
            score=done.scores.get(name),
            tokens=row.tokens + int(done.tokens.get(name, "0")) + int(judging.get(name, "0")),
        )
    return replace(board, settled=done.round, rows=rows, **_quality(done))


def _unpaid(one: Unpaid | None) -> str:
    if one is None:
        return ""
    return f"round {one.round}: not paid, {one.why} (others: {format_tokens(one.others)})"


def _quality(done: RoundSummary) -> dict[str, Any]:
    if done.agreement is None or done.global_loss is not None:
        return {"loss": done.global_loss, "accuracy": done.global_accuracy, "before": False}
    loss, accuracy = judged_by_members(done.agreement)
    return {"loss": loss, "accuracy": accuracy, "before": True}
