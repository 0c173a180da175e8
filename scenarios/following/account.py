# SPDX-License-Identifier: Apache-2.0
"""What one account did in a task and what it came to, round by round, from the task's state and its evaluator's reports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval
from bcfl.contracts.consortium_state import ConsortiumRound
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.errors import StorageError

__all__ = ("AccountRound", "account_rounds")


@dataclass(frozen=True, kw_only=True)
class AccountRound:
    """An account's part in one round that is over.

    Attributes:
        round: its number.
        did: ``absent``, ``committed`` (and never opened), or ``handed_in``.
        score: in units of loss; None where it has none.
        credited: in 10⁻⁹ token.
        judged: for judging the others, in 10⁻⁹ token; in a consortium.
        explained: whether there is an evaluator's report, which says why.
        rejected: why it is not in the model, as that report says; None where it is.
        evidence: what the defence measured of it.
    """

    round: int
    did: str
    score: float | None
    credited: int
    judged: int
    explained: bool
    rejected: str | None
    evidence: dict[str, float]


async def account_rounds(
    state: TaskState, account: Address, retrieval: Retrieval
) -> AsyncIterator[AccountRound]:
    """The rounds of whose cohort the account was, in their order; a report that cannot be had is left out.

    Args:
        state: of the task.
        account: a member's.
        retrieval: from the store that has the task's reports.
    """
    index = state.index_of.get(account)
    if index is None:
        return
    for number, record in sorted(state.rounds.items()):
        if index not in record.cohort or not (record.finalized or number < state.round):
            continue
        report = await _report(record, retrieval)
        score = record.scores.get(index)
        did = (
            "handed_in"
            if index in record.updates
            else "committed"
            if index in record.commitments
            else "absent"
        )
        yield AccountRound(
            round=number,
            did=did,
            score=None if score is None else score / 1e9,
            credited=record.credits.get(index, 0),
            judged=record.evaluation_pay.get(index, 0) if isinstance(record, ConsortiumRound) else 0,
            explained=report is not None,
            rejected=None if report is None else report.rejected.get(index),
            evidence={} if report is None else dict(report.evidence.get(index, {})),
        )


async def _report(record: RoundRecord, retrieval: Retrieval) -> EvaluationReport | None:
    if not isinstance(record, CrowdRound) or record.report is None:
        return None
    try:
        return EvaluationReport.decode(await retrieval.content(record.report, max_bytes=REPORT_BYTES))
    except (StorageError, MalformedReport):
        return None
