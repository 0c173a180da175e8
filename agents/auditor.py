# SPDX-License-Identifier: Apache-2.0
"""The auditor: repeats every evaluation from chain logs and stored contents and says where they differ.

It trusts no summary: members, updates, scores and models come from the task's events, contents from the store by
their ids, and the validation set from whoever audits, checked against the evaluator's commitment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bcfl.agents.comparison import Comparison, Finding
from bcfl.agents.evaluation import REPORT_BYTES, RoundEvaluator
from bcfl.agents.final_account import account_findings, accounts_checked
from bcfl.agents.retrieval import Retrieval
from bcfl.agents.selection import rank
from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.commitments import validation_commitment
from bcfl.contracts.errors import MalformedReport, MalformedSpecification
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.fold import fold
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import Selection
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.errors import ContractError, ModelError, RegistryError
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import FetchError

__all__ = ("AuditResult", "Auditor", "Finding")


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
        self.reports: dict[int, EvaluationReport] = {}
        """The rounds' reports as they are in the store."""
        self._findings: list[Finding] = []
        self._checked = 0

    async def audit(self, events: Sequence[e.Event]) -> AuditResult:
        """Check a task by all its events, in their order, ``TaskCreated`` first among them."""
        created = next(event for event in events if isinstance(event, e.TaskCreated))
        state = TaskState.created(created)
        ranked: tuple[TrainerIndex, ...] | None = None
        for event in events:
            if event.origin.address != state.address:
                continue
            match event:
                case e.EvaluationSubmitted():
                    self._check_payout(state, event)
                case e.RoundStarted():
                    self._check_cohort(event, ranked)
                    ranked = None
                case e.EvaluatorRemoved():
                    self._check_removed(state, event)
                case e.EvaluationReverted():
                    self._check_reverted(state, event)
                case e.BondForfeited():
                    self._check_forfeited(state, event)
                case e.ValidationOpened():
                    self._check_validation(state, event)
            try:
                state = fold(state, [event])
            except ContractError as error:
                self._find(state.round, type(event).__name__, f"{error} Nothing after it was checked.")
                return self._result()
            if isinstance(event, e.RoundFinalized):
                self._check_finalized(state, event)
                ranked = self._ranking(state)
        self._check_end(state)
        await self._check_contents(state)
        return self._result()

    def _result(self) -> AuditResult:
        return AuditResult(findings=tuple(self._findings), checked=self._checked)

    def _ranking(self, state: TaskState) -> tuple[TrainerIndex, ...] | None:
        """The cohort that the evaluator had to choose, where scores choose it; sanctions are folded in by now."""
        scores = state.current.scores
        if state.config.selection is not Selection.SCORE_ORDER or not scores:
            return None
        return rank(state, dict(scores), ())

    def _check_cohort(self, event: e.RoundStarted, ranked: tuple[TrainerIndex, ...] | None) -> None:
        if ranked is None:
            return
        self._checked += 1
        if event.cohort != ranked:
            self._find(
                event.round, "cohort", f"{list(event.cohort)} was chosen, the scores rank {list(ranked)}"
            )

    def _check_finalized(self, state: TaskState, event: e.RoundFinalized) -> None:
        self._checked += 1
        credited = state.rounds[event.round].payout
        if event.payout != credited:
            self._find(
                event.round, "payout", f"the round ended with {event.payout} where {credited} was credited"
            )

    def _check_end(self, state: TaskState) -> None:
        """Once the task has ended: everybody got what they earned, and what came in went out."""
        if not state.ended:
            return
        self._checked += accounts_checked(state)
        self._findings += account_findings(state, self._names)
        for place, evaluator in enumerate(state.evaluators):
            if state.config.public_audit and evaluator.served and not evaluator.opened:
                self._find(
                    0,
                    f"evaluator {place}",
                    "its validation set was never opened, so its scores prove nothing",
                )

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

    def _check_removed(self, state: TaskState, event: e.EvaluatorRemoved) -> None:
        """A silent evaluator loses half its bond."""
        self._checked += 1
        due = (state.evaluators[event.evaluator].bond or 0) // 2
        if event.slashed != due:
            self._find(
                event.round,
                f"evaluator {event.evaluator}",
                f"it lost {event.slashed} of its bond, {due} was due (10⁻⁹ token)",
            )

    def _check_reverted(self, state: TaskState, event: e.EvaluationReverted) -> None:
        """More than two thirds objected, and it is accused exactly where so many blame it."""
        self._checked += 1
        record = state.rounds[event.round]
        needed = 2 * len(record.updates)
        if 3 * len(record.objections) <= needed or event.accused != (3 * len(record.blaming) > needed):
            self._find(
                event.round,
                f"evaluator {event.evaluator}",
                f"{len(record.objections)} objections of {len(record.updates)} members, {len(record.blaming)} of which "
                f"blame it, {'accused' if event.accused else 'reverted'} it",
            )

    def _check_forfeited(self, state: TaskState, event: e.BondForfeited) -> None:
        """An accused evaluator's bond is shared whole, or half of it where nobody succeeded it."""
        self._checked += 1
        evaluator = state.evaluators[event.evaluator]
        bond = evaluator.bond or 0
        due = bond if state.active_evaluator is not None else bond // 2
        if evaluator.accused_in != event.round or event.amount != due:
            self._find(
                event.round,
                f"evaluator {event.evaluator}",
                f"{event.amount} of its bond was shared, {due} was due (10⁻⁹ token)",
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
        self._findings += comparison.findings()
        self._checked += comparison.checked

    async def _report(self, number: int, record: RoundRecord) -> EvaluationReport | None:
        assert record.report is not None  # noqa: S101 - the caller has looked
        subject = f"report {cid_text(record.report)}"
        try:
            data = await self._retrieval.content(record.report, max_bytes=REPORT_BYTES)
            report = EvaluationReport.decode(data)
        except (FetchError, MalformedReport) as error:
            self._find(number, subject, str(error))
            return None
        self._checked += 1
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
