# SPDX-License-Identifier: Apache-2.0
"""The auditor: repeats every evaluation from chain logs and stored contents and says where they differ.

It trusts no summary: members, updates, scores and models come from the task's events, contents from the store by
their ids, and the validation set from whoever audits, checked against the evaluator's commitment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bcfl.agents.evaluation import RoundEvaluation, RoundEvaluator
from bcfl.agents.retrieval import Retrieval
from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.commitments import validation_commitment
from bcfl.contracts.errors import MalformedReport, MalformedSpecification
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import RoundRecord, TaskState, fold
from bcfl.storage.content_id import cid_text, content_id
from bcfl.storage.errors import FetchError

__all__ = ("AuditResult", "Auditor", "Finding")

_REPORT_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference; ``round`` 0 is the task as a whole."""

    round: int
    subject: str
    message: str

    def __str__(self) -> str:
        where = f"round {self.round}" if self.round else "task"
        return f"{where}, {self.subject}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """All differences, and how many scores and digests were checked."""

    findings: tuple[Finding, ...]
    checked: int


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
        self._validation_digest = validation_digest
        self._names = names
        self._findings: list[Finding] = []
        self._checked = 0

    async def audit(self, events: Sequence[e.Event]) -> AuditResult:
        """Check a task by all its events, in their order, ``TaskCreated`` first among them."""
        created = next(event for event in events if isinstance(event, e.TaskCreated))
        state = TaskState.created(created)
        for event in events:
            if event.origin.address != state.address:
                continue
            if isinstance(event, e.EvaluationSubmitted):
                self._check_payout(state, event)
            if isinstance(event, e.ValidationOpened):
                self._check_validation(state, event)
            state = fold(state, [event])
        await self._check_contents(state)
        return AuditResult(findings=tuple(self._findings), checked=self._checked)

    def _find(self, number: int, subject: str, message: str) -> None:
        self._findings.append(Finding(round=number, subject=subject, message=message))

    def _check_payout(self, state: TaskState, event: e.EvaluationSubmitted) -> None:
        due = settlement.payout(
            event.scores,
            rate=state.config.rate,
            round_budget=state.config.round_budget,
            bonus=state.bonus,
            escrow=state.escrow,
        )
        self._checked += 1
        if due != event.payout:
            self._find(
                event.round, "payout", f"{event.payout} was paid where the scores give {due} (10⁻⁹ token)"
            )

    def _check_validation(self, state: TaskState, event: e.ValidationOpened) -> None:
        self._checked += 1
        committed = state.evaluators[event.evaluator].validation_commitment
        if validation_commitment(event.salt, event.digest) != committed:
            self._find(
                0, f"evaluator {event.evaluator}", "the opened validation set is not the one committed to"
            )
        elif event.digest != self._validation_digest:
            self._find(
                0, f"evaluator {event.evaluator}", "the validation set at hand is not the one that was opened"
            )

    async def _check_contents(self, state: TaskState) -> None:
        config = state.config
        try:
            specification = await self._retrieval.specification(config.specification)
        except (FetchError, MalformedSpecification) as error:
            self._find(0, f"specification {cid_text(config.specification)}", str(error))
            return
        self._checked += 1
        for number, record in sorted(state.rounds.items()):
            if record.report is None:
                continue
            await self._check_round(state, specification, number, record)

    async def _check_round(
        self, state: TaskState, specification: Specification, number: int, record: RoundRecord
    ) -> None:
        names = {index: self._names.get(m.account, m.account) for index, m in state.members.items()}
        report = await self._report(number, record)
        if report is None:
            return
        sound = await self._inputs_sound(state, number, record, report, names)
        if record.model is not None:
            sound = await self._content_sound(number, "global model", record.model, state) and sound
        if not sound:
            return
        repeated = await self._rounds.evaluate(
            specification=specification,
            round_number=number,
            start=record.start_model,
            updates=record.updates,
            max_update_size=state.config.max_update_size,
        )
        self._compare(number, record, report, repeated, specification.score_tolerance, names)

    async def _report(self, number: int, record: RoundRecord) -> EvaluationReport | None:
        assert record.report is not None  # noqa: S101 - the caller has looked
        subject = f"report {cid_text(record.report)}"
        try:
            data = await self._retrieval.content(record.report, max_bytes=_REPORT_BYTES)
            report = EvaluationReport.decode(data)
        except (FetchError, MalformedReport) as error:
            self._find(number, subject, str(error))
            return None
        self._checked += 1
        if report.round != number or report.start_model != record.start_model:
            self._find(number, subject, "it is the report of another round")
        return report

    async def _inputs_sound(
        self,
        state: TaskState,
        number: int,
        record: RoundRecord,
        report: EvaluationReport,
        names: Mapping[TrainerIndex, str],
    ) -> bool:
        """Whether every update that the report does not reject is still in the store as its id says."""
        sound = await self._content_sound(number, "start model", record.start_model, state)
        for index, update in sorted(record.updates.items()):
            if index not in report.rejected:
                subject = f"update of {names[index]}"
                sound = await self._content_sound(number, subject, update.content, state) and sound
        return sound

    async def _content_sound(self, number: int, subject: str, content: ContentId, state: TaskState) -> bool:
        self._checked += 1
        try:
            await self._retrieval.content(content, max_bytes=state.config.max_update_size)
        except FetchError as error:
            self._find(number, f"{subject} {cid_text(content)}", f"{error} ({error.reason})")
            return False
        return True

    def _compare(
        self,
        number: int,
        record: RoundRecord,
        report: EvaluationReport,
        repeated: RoundEvaluation,
        tolerance: float,
        names: Mapping[TrainerIndex, str],
    ) -> None:
        for index, posted in sorted(record.scores.items()):
            self._checked += 1
            again = repeated.scores.get(index, 0)
            if abs(posted - again) > tolerance * SCORE_UNIT:
                self._find(
                    number,
                    f"score of {names[index]}",
                    f"{posted / SCORE_UNIT:.9f} was posted, {again / SCORE_UNIT:.9f} is what the update is worth",
                )
            if report.scores.get(index) != posted:
                self._find(number, f"score of {names[index]}", "the report has another score than the chain")
        self._checked += 1
        model = content_id(repeated.model)
        if record.model is not None and model != record.model:
            self._find(
                number,
                "global model",
                f"{cid_text(record.model)} was named, the updates give {cid_text(model)}",
            )
        if report.model != record.model:
            self._find(number, "global model", "the report names another model than the chain")
        if dict(report.rejected) != dict(repeated.rejected):
            self._find(
                number,
                "rejections",
                f"{_say(report.rejected, names)} posted, {_say(repeated.rejected, names)} found",
            )
        for index, loss in repeated.validation_loss.items():
            self._same(
                number,
                f"validation loss of {names[index]}",
                report.validation_loss.get(index),
                loss,
                tolerance,
            )
        self._same(number, "loss", report.loss, repeated.loss, tolerance)
        self._same(number, "accuracy", report.accuracy, repeated.accuracy, tolerance)

    def _same(self, number: int, subject: str, said: float | None, found: float, tolerance: float) -> None:
        self._checked += 1
        if said is None or not math.isclose(said, found, rel_tol=tolerance, abs_tol=tolerance):
            self._find(number, subject, f"the report says {said}, it is {found}")


def _say(rejected: Mapping[TrainerIndex, str], names: Mapping[TrainerIndex, str]) -> str:
    return ", ".join(f"{names[index]}: {reason}" for index, reason in sorted(rejected.items())) or "none"
