# SPDX-License-Identifier: Apache-2.0
"""How well misbehaviour was found, what it earned and what it delayed: the numbers of a run beside the ground truth.

The truth is what trainers did: one is an adversary if it misbehaved in at least one round that it took part in, however
the scenario calls it; one whose plan never came round was honest. Found is who was ejected, at the block of
``TrainerEjected``. Ratios without a denominator are None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from bcfl.contracts import events as e
from bcfl.contracts.crowd_state import CrowdRound, CrowdState
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Reason
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.scenarios.definition.tokens import CREDIT_UNIT
from bcfl.scenarios.outcome.summary import Detection, Liveness, Suspension

__all__ = (
    "Sanctions",
    "detect",
    "earned_by_work",
    "liveness",
    "reason_name",
    "removals_of",
    "sanctions_of",
)

_SILENT, _OBJECTIONS, _STOOD_DOWN = "silent", "objections", "stood down"


@dataclass(frozen=True, kw_only=True)
class Sanctions:
    """What was done to one member."""

    suspensions: tuple[Suspension, ...] = ()
    ejected_round: int | None = None
    ejected_reason: str | None = None


def reason_name(code: int) -> str:
    """A reason code of the contracts as a word; one that this version does not know by its number."""
    try:
        return Reason(code).name.lower()
    except ValueError:
        return f"reason_{code}"


def sanctions_of(events: Iterable[e.Event]) -> dict[TrainerIndex, Sanctions]:
    """Who was suspended or ejected, when and why; whoever never was is not there."""
    suspensions: dict[TrainerIndex, tuple[Suspension, ...]] = {}
    ejected: dict[TrainerIndex, e.TrainerEjected] = {}
    for event in events:
        if isinstance(event, e.TrainerSuspended):
            found = Suspension(
                round=event.round, until_round=event.until_round, reason=reason_name(event.reason)
            )
            suspensions[event.index] = (*suspensions.get(event.index, ()), found)
        elif isinstance(event, e.TrainerEjected):
            ejected[event.index] = event
    return {
        index: Sanctions(
            suspensions=suspensions.get(index, ()),
            ejected_round=ejected[index].round if index in ejected else None,
            ejected_reason=reason_name(ejected[index].reason) if index in ejected else None,
        )
        for index in sorted({*suspensions, *ejected})
    }


def removals_of(events: Iterable[e.Event]) -> dict[int, tuple[int, str]]:
    """Which evaluators, by place in the list, were removed in which round, and why.

    ``silent``: it let its window pass; ``objections``: those that blame it for its evaluation of that round were upheld;
    ``stood down``: its model was undone, and blames nobody.
    """
    removed: dict[int, tuple[int, str]] = {}
    for event in events:
        if isinstance(event, e.EvaluatorRemoved):
            removed[event.evaluator] = (event.round, _SILENT)
        elif isinstance(event, e.EvaluationReverted) and event.accused:
            removed[event.evaluator] = (event.round, _OBJECTIONS)
        elif isinstance(event, e.EvaluationReverted) and event.successor != event.evaluator:
            removed[event.evaluator] = (event.round, _STOOD_DOWN)
    return removed


def detect(
    state: TaskState,
    events: Iterable[e.Event],
    *,
    names: Mapping[TrainerIndex, str],
    misbehaved: Mapping[str, int],
) -> Detection:
    """The numbers of one task.

    Args:
        state: after all events.
        events: the task's creation and everything after it.
        names: of the members, all of whom took part.
        misbehaved: the first round in which each adversary misbehaved, by name.
    """
    events = list(events)
    first = {names[index]: misbehaved[names[index]] for index in names if names[index] in misbehaved}
    bad = [index for index, name in names.items() if name in first]
    good = [index for index, name in names.items() if name not in first]
    out = {index: m.ejected_round for index, m in state.members.items() if m.ejected_round is not None}
    caught, wronged = [i for i in bad if i in out], [i for i in good if i in out]
    earned = {index: earned_by_work(state, index) for index in names}
    net = _net(state, events)
    fair = _mean([net[index] for index in good])
    pay_bad, pay_good = _mean([earned[i] for i in bad]), _mean([earned[i] for i in good])
    return Detection(
        precision=_ratio(len(caught), len(out)),
        recall=_ratio(len(caught), len(bad)),
        f1=_ratio(2 * len(caught), len(bad) + len(out)),
        false_ejection_rate=_ratio(len(wronged), len(good)),
        adversaries=len(bad),
        honest=len(good),
        ejected_adversaries=len(caught),
        ejected_honest=len(wronged),
        first_misbehaviour=first,
        rounds_to_eject={
            names[index]: None if index not in out else out[index] - first[names[index]] + 1 for index in bad
        },
        reward_share=_ratio(sum(earned[index] for index in bad), sum(earned.values())) or 0.0,
        relative_pay=None if pay_bad is None or not pay_good else float(pay_bad / pay_good),
        honest_return=None if fair is None else str(round(fair * CREDIT_UNIT)),
        return_on_misbehaviour={
            names[index]: None if fair is None else str(round((net[index] - fair) * CREDIT_UNIT))
            for index in bad
        },
        liveness=liveness(state, events),
    )


def liveness(state: TaskState, events: Iterable[e.Event]) -> Liveness:
    """How many rounds ended with a model, and how long the task stood still after deadlines."""
    deadline: int | None = None
    overdue = 0
    for event in events:
        now = event.origin.block.timestamp
        match event:
            case e.TaskCreated():
                deadline = now + event.config.schedule.enrolment
            case e.RoundStarted() | e.PhaseStarted() | e.TaskCompleted() | e.TaskCancelled():
                if deadline is not None:
                    overdue += max(0, now - deadline)
                deadline = getattr(event, "deadline", None)
    done = [record for record in state.rounds.values() if record.finalized]
    return Liveness(
        rounds_planned=state.config.rounds,
        rounds_finalised=len(done),
        rounds_void=sum(_is_void(record) for record in done),
        overdue_s=overdue,
    )


def earned_by_work(state: TaskState, index: TrainerIndex) -> int:
    """What a member has earned less its shares of evaluators' bonds, in credits."""
    shared = state.bond_share(index) if isinstance(state, CrowdState) else 0
    return state.members[index].earned - shared


def _is_void(record: RoundRecord) -> bool:
    return record.model == record.start_model or (isinstance(record, CrowdRound) and record.reverted)


def _net(state: TaskState, events: Iterable[e.Event]) -> dict[TrainerIndex, int]:
    """What each member has in the end over what it began with, in credits: earned − stake and bond that it lost."""
    net = {index: member.earned for index, member in state.members.items()}
    for event in events:
        if isinstance(event, e.TrainerJoined):
            net[event.index] -= event.stake
        elif isinstance(event, e.StakeReturned):
            net[event.index] += event.amount
        elif isinstance(event, e.BondSlashed):
            net[event.index] -= event.amount
    return net


def _mean(values: list[int]) -> Fraction | None:
    # exact: credits of large budgets do not fit into a float
    return Fraction(sum(values), len(values)) if values else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
