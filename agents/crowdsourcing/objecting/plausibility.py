# SPDX-License-Identifier: Apache-2.0
"""Whether a report contradicts itself, the chain or the task's rules: what shows without fetching one update.

Everybody whose update was revealed is weighed or rejected, for a reason that the task's rules know; who is rejected is
worth nothing, unless that reason only keeps an update out of the model; and sanctions are those of the report, each of
which the task's defence can have come to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bcfl.agents.common.entries import defence_of
from bcfl.agents.common.gathering import INVALID_WORDS, NOT_OWNED, UNAVAILABLE, UNPROVEN
from bcfl.agents.crowdsourcing.round_history import counts
from bcfl.agents.crowdsourcing.sanctions import FAULTS
from bcfl.contracts.crowd_state import CrowdRound, CrowdState
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ZERO_ADDRESS, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.models.aggregation.fold import INTEGER_LIMIT
from bcfl.models.defences.bounds import Bounded, Track
from bcfl.models.defences.defence import Defence, Fault

__all__ = ("MEMBERS", "MISMATCH", "MODEL", "SANCTION", "VERDICT", "contradiction")

MISMATCH = "report_mismatch"
MEMBERS = "members_mismatch"
VERDICT = "verdict_unfounded"
SANCTION = "sanction_unfounded"
MODEL = "model_mismatch"

_LAST_ROUND = 2**32 - 1


def contradiction(
    specification: Specification, state: CrowdState, record: CrowdRound, report: EvaluationReport
) -> str | None:
    """The first thing in the report on a round of the state that cannot be, as a reason; None: nothing.

    Raises:
        RegistryError: the task's defence is not known.
    """
    if not _matches(state, record, report):
        return MISMATCH
    defence = defence_of(specification)
    if not _everybody_once(report, record, defence):
        return MEMBERS
    if not all(0 <= integer < INTEGER_LIMIT for integer in report.weights.values()):
        return MODEL
    if not all(_may_say(word, record.updates[i].owned, defence) for i, word in report.rejected.items()):
        return VERDICT
    if not _as_reported(state, record, report):
        return SANCTION
    return None if _founded(state, record, report, defence) else SANCTION


def _matches(state: CrowdState, record: CrowdRound, report: EvaluationReport) -> bool:
    """Whether the report is this round's and says what the chain says; a named aggregator's model is not the report's."""
    return (
        report.round == record.number
        and report.start_model == record.start_model
        and (state.config.aggregator != ZERO_ADDRESS or report.model == record.model)
        and dict(report.scores) == dict(record.scores)
    )


def _everybody_once(report: EvaluationReport, record: CrowdRound, defence: Defence) -> bool:
    weighed, rejected = report.weights.keys(), report.rejected.keys()
    paid = defence.paid if isinstance(defence, Bounded) else frozenset()
    return (
        weighed | rejected == record.updates.keys()
        and not weighed & rejected
        and all(record.updates[index].owned for index in weighed)
        and all(record.scores.get(index) == 0 or word in paid for index, word in report.rejected.items())
    )


def _may_say(word: str, owned: bool, defence: Defence) -> bool:
    if not owned or word == NOT_OWNED:
        return word == NOT_OWNED and not owned
    if word in INVALID_WORDS or word in UNPROVEN or not isinstance(defence, Bounded):
        return True
    return word in defence.words


def _as_reported(state: CrowdState, record: CrowdRound, report: EvaluationReport) -> bool:
    """Whether all that was done to members is in the report: what exceeds the contract's limits is not done."""
    suspended = {index: rounds for index, rounds, _ in report.sanctions if rounds}
    ejected = {index for index, rounds, _ in report.sanctions if not rounds}
    for index in record.suspended:
        # Who committed and did not open is suspended by the contract itself, in a relayed task.
        if index in record.commitments and index not in record.updates:
            continue
        until = state.members[index].suspended_until
        if index not in suspended:
            return False
        if state.round > record.number + 1:
            continue  # a later evaluation may have suspended it again, for other rounds
        if until is not None and until != min(record.number + 1 + suspended[index], _LAST_ROUND):
            return False
    return ejected.issuperset(record.ejected)


def _founded(state: CrowdState, record: CrowdRound, report: EvaluationReport, defence: Defence) -> bool:
    """Whether the defence can have come to all sanctions of the report; of one that does not say, yes."""
    if not isinstance(defence, Bounded):
        return True
    if any(reason not in FAULTS for _, _, reason in report.sanctions):
        return False
    past = [other for n, other in sorted(state.rounds.items()) if n < record.number and counts(other)]
    rounds = [*past, record]
    known = {int(i): _track(rounds, report, i) for i in _concerned(record, report)}
    return defence.could_sanction(
        known,
        {index: (rounds, FAULTS[reason]) for index, rounds, reason in report.sanctions if rounds},
        {index: FAULTS[reason] for index, rounds, reason in report.sanctions if not rounds},
    )


def _concerned(record: CrowdRound, report: EvaluationReport) -> list[TrainerIndex]:
    return sorted(record.updates.keys() | {index for index, _, _ in report.sanctions})


def _track(rounds: Sequence[CrowdRound], report: EvaluationReport, index: TrainerIndex) -> Track:
    """In these rounds, the last of which is judged."""
    record = rounds[-1]
    word = report.rejected.get(index)
    return Track(
        number=record.number,
        word=word,
        fault=None if word is None else _fault(word, record),
        evidence=report.evidence.get(index, {}),
        revealed=tuple(one.number for one in rounds if index in one.updates),
        missed=tuple(one.number for one in rounds if index in one.cohort and index not in one.updates),
        suspended=index in record.suspended_before,
    )


def _fault(word: str, record: CrowdRound) -> Fault | None:
    """What somebody did whose update is rejected with that word."""
    if word == NOT_OWNED:
        # In the open, whoever is quicker can take a digest: that is no reason to suspend its author.
        return Fault.COPIED if record.commitments else None
    if word in UNAVAILABLE:
        return Fault.UNAVAILABLE
    if word in INVALID_WORDS:
        return Fault.INVALID
    return _WORDS.get(word)


_WORDS: Mapping[str, Fault] = {fault.value: fault for fault in (Fault.COPIED, Fault.NO_NEW_WORK)}
