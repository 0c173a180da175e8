# SPDX-License-Identifier: Apache-2.0
"""The auditor: repeats every evaluation from chain logs and stored contents and says where they differ.

It trusts no summary: members, updates, scores and models come from the task's events, contents from the store by
their ids, and the validation set from whoever audits, checked against the evaluator's commitment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from bcfl.agents.audit.contents import ContentsAudit
from bcfl.agents.audit.final_account import accounts_checked
from bcfl.agents.audit.finding import AuditResult, Finding
from bcfl.agents.audit.following import follow
from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval
from bcfl.agents.crowdsourcing.comparison import Comparison
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.agents.crowdsourcing.log import CrowdLog
from bcfl.contracts import events as e
from bcfl.contracts.errors import MalformedReport, MalformedSpecification
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.errors import ModelError, RegistryError
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import FetchError

__all__ = ("Auditor",)


class Auditor:
    """Audits one task.

    Args:
        retrieval: fetches contents by id.
        rounds: evaluates on the validation set that the auditor has.
        validation_digest: 32 bytes, of that set.
        names: of accounts, for people.
    """

    def __init__(
        self,
        *,
        retrieval: Retrieval,
        rounds: RoundEvaluator,
        validation_digest: bytes,
        names: Mapping[Address, str],
    ) -> None:
        self._retrieval = retrieval
        self._rounds = rounds
        self._checks = CrowdLog(validation_digest=validation_digest, names=names)
        self._names = names
        self._contents = ContentsAudit(retrieval, names)
        self.reports: dict[int, EvaluationReport] = {}
        """The rounds' reports as they are in the store."""
        self._findings: list[Finding] = []
        self._evaluations: dict[int, e.Event] = {}
        self._checked = 0

    async def audit(self, events: Sequence[e.Event]) -> AuditResult:
        """Check a task by all its events, in their order, ``TaskCreated`` first among them."""
        followed = follow(events, self._checks)
        self._findings += followed.findings
        self._checked += followed.checked
        state = followed.state
        if state is not None:
            self._checked += accounts_checked(state)
            self._evaluations = {x.round: x for x in events if isinstance(x, e.EvaluationSubmitted)}
            self._findings += [found async for found in self._contents.findings(state, events)]
            await self._check_rounds(state)
        return AuditResult(findings=tuple(self._findings), checked=self._checked + self._contents.checked)

    def _find(self, number: int, subject: str, message: str) -> None:
        """Add what is said of a round's evaluation."""
        event = self._evaluations.get(number)
        self._findings.append(Finding(round=number, subject=subject, message=message, event=event))

    async def _check_rounds(self, state: TaskState) -> None:
        try:
            specification = await self._retrieval.specification(state.config.specification)
        except FetchError:
            return  # said with all contents
        except MalformedSpecification as error:
            self._find(0, f"specification {cid_text(state.config.specification)}", str(error))
            return
        for number, record in sorted(state.rounds.items()):
            if record.report is not None:
                await self._check_round(state, specification, number, record)

    async def _check_round(
        self, state: TaskState, specification: Specification, number: int, record: RoundRecord
    ) -> None:
        names = {index: self._names.get(m.account, m.account) for index, m in state.members.items()}
        report = await self._report(number, record)
        if report is None or not await self._inputs_sound(state, number, record, report, names):
            return
        try:
            repeated = await self._rounds.evaluate(
                specification=specification,
                rounds=state.rounds,
                round_number=number,
                max_update_size=state.config.max_update_size,
            )
        except (ModelError, RegistryError) as error:
            self._find(number, "evaluation", f"it cannot be repeated: {error}")
            return
        comparison = Comparison(
            number=number,
            record=record,
            report=report,
            repeated=repeated,
            tolerance=specification.score_tolerance,
            names=names,
        )
        event = self._evaluations.get(number)
        self._findings += [dataclasses.replace(found, event=event) for found in comparison.findings()]
        self._checked += comparison.checked

    async def _report(self, number: int, record: RoundRecord) -> EvaluationReport | None:
        assert record.report is not None  # noqa: S101 - the caller has looked
        subject = f"report {cid_text(record.report)}"
        try:
            data = await self._retrieval.content(record.report, max_bytes=REPORT_BYTES)
            report = EvaluationReport.decode(data)
        except FetchError:
            return None  # said with all contents
        except MalformedReport as error:
            self._find(number, subject, str(error))
            return None
        if report.round != number or report.start_model != record.start_model:
            self._find(number, subject, "it is the report of another round")
        self.reports[number] = report
        return report

    async def _inputs_sound(
        self,
        state: TaskState,
        number: int,
        record: RoundRecord,
        report: EvaluationReport,
        names: Mapping[TrainerIndex, str],
    ) -> bool:
        """Whether both models and every update that the report does not reject are in the store as their ids say."""
        wanted: list[tuple[str, ContentId]] = [("start model", record.start_model)]
        wanted += [
            (f"update of {names[index]}", update.content)
            for index, update in sorted(record.updates.items())
            if index not in report.rejected
        ]
        if record.model is not None:
            wanted.append(("global model", record.model))
        limit = state.config.max_update_size
        found = [await self._contents.checked_one(number, *one, max_bytes=limit) for one in wanted]
        # what was said of a content as it was named is not said again
        self._findings += [one for one in found if one is not None and one not in self._findings]
        return not any(found)
