# SPDX-License-Identifier: Apache-2.0
"""What evaluators say in the event log of their evaluations, beside their reports in the store. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bcfl.agents.audit.finding import Finding
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.scenarios.directory.event_log import FILE, EventLog
from bcfl.scenarios.outcome.results import NOT_REVEALED, Results

__all__ = ("report_findings",)


def report_findings(
    results: Results, reports: Mapping[int, EvaluationReport], log: EventLog
) -> Iterator[Finding]:
    """Where the event log's record of an evaluation is not the report that is in the store."""
    names = {index: results.names.get(m.account, m.account) for index, m in results.state.members.items()}
    for number, report in reports.items():
        round_ = results.round(number)
        pairs: dict[str, tuple[object, object]] = {
            "global loss": (round_.global_loss, report.loss),
            "global accuracy": (round_.global_accuracy, report.accuracy),
            "validation losses": (
                round_.validation_loss,
                {names[index]: loss for index, loss in report.validation_loss.items()},
            ),
            "rejections": (
                {name: why for name, why in round_.rejected.items() if why != NOT_REVEALED},
                {names[index]: why for index, why in report.rejected.items()},
            ),
        }
        for subject, (said, found) in pairs.items():
            if said != found and not (said is None and isinstance(found, float) and not math.isfinite(found)):
                yield _found(log, number, subject, said, found)
    first = min(reports, default=0)
    genesis = results.genesis
    if first and genesis.loss not in {reports[first].start_loss, None}:
        yield _found(log, first, "genesis loss", genesis.loss, reports[first].start_loss, task=True)


def _found(
    log: EventLog, number: int, subject: str, said: object, found: object, *, task: bool = False
) -> Finding:
    """With the line in which an evaluator says it."""
    lines = [
        line.number
        for line in log.lines
        if (line.record["event"], line.record.get("round")) == ("scored", number)
    ]
    return Finding(
        round=0 if task else number,
        subject=subject,
        message=f"the log says {said}, the report {found}",
        where=f"{FILE}, line {lines[-1]}" if lines else FILE,
    )
