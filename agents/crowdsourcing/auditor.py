# SPDX-License-Identifier: Apache-2.0
"""The auditor: repeats every evaluation from chain logs and stored contents and says where they differ.

It trusts no summary: members, updates, scores and models come from the task's events, contents from the store by
their ids, and the validation set from whoever audits, checked against the evaluator's commitment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from bcfl.agents.audit.task_auditor import TaskAuditor
from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval
from bcfl.agents.crowdsourcing.comparison import Comparison
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.agents.crowdsourcing.log import CrowdLog
from bcfl.contracts import events as e
from bcfl.contracts.crowd_state import CrowdRound, CrowdState
from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.errors import ModelError, RegistryError
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import FetchError

__all__ = ("Auditor",)


class Auditor(TaskAuditor[CrowdState]):
    """Audits one crowd's task.

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
        checks = CrowdLog(validation_digest=validation_digest, names=names)
        super().__init__(retrieval=retrieval, kind=CrowdState, checks=checks, names=names)
        self._rounds = rounds
        self.reports: dict[int, EvaluationReport] = {}
        """The rounds' reports as they are in the store."""
        self._evaluations: dict[int, e.Event] = {}

    async def check_rounds(
        self, state: CrowdState, specification: Specification, events: Sequence[e.Event]
    ) -> None:
        """Evaluate every evaluated round again and compare."""
        self._evaluations = {x.round: x for x in events if isinstance(x, e.EvaluationSubmitted)}
        for number, record in sorted(state.rounds.items()):
            if record.report is not None:
                await self._check_round(state, specification, number, record)

    async def _check_round(
        self, state: CrowdState, specification: Specification, number: int, record: CrowdRound
    ) -> None:
        names = {index: self.name(state, index) for index in state.members}
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
        except (FetchError, ModelError, RegistryError) as error:
            self.find(number, "evaluation", f"it cannot be repeated: {error}", self._evaluations.get(number))
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
        self.findings += [dataclasses.replace(found, event=event) for found in comparison.findings()]
        self.checked += comparison.checked

    async def _report(self, number: int, record: CrowdRound) -> EvaluationReport | None:
        assert record.report is not None  # noqa: S101 - the caller has looked
        subject = f"report {cid_text(record.report)}"
        try:
            data = await self.retrieval.content(record.report, max_bytes=REPORT_BYTES)
            report = EvaluationReport.decode(data)
        except FetchError:
            return None  # said with all contents
        except MalformedReport as error:
            self.find(number, subject, str(error), self._evaluations.get(number))
            return None
        if report.round != number or report.start_model != record.start_model:
            self.find(number, subject, "it is the report of another round", self._evaluations.get(number))
        self.reports[number] = report
        return report

    async def _inputs_sound(
        self,
        state: CrowdState,
        number: int,
        record: CrowdRound,
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
        found = [await self.contents.checked_one(number, *one, max_bytes=limit) for one in wanted]
        # what was said of a content as it was named is not said again
        self.findings += [one for one in found if one is not None and one not in self.findings]
        return not any(found)
