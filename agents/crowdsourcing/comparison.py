# SPDX-License-Identifier: Apache-2.0
"""One round as it was posted and reported, beside the same round evaluated again: where do they differ?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bcfl.agents.audit.finding import Finding
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluation
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.storage.content_id import cid_text, content_id

__all__ = ("Comparison",)


@dataclass(kw_only=True)
class Comparison:
    """Digests, weights, reasons and sanctions are compared exactly, measured numbers within ``tolerance``."""

    number: int
    record: CrowdRound
    report: EvaluationReport
    repeated: RoundEvaluation
    tolerance: float
    names: Mapping[TrainerIndex, str]
    checked: int = field(default=0, init=False)
    """How many numbers and digests were compared so far."""

    def findings(self) -> Iterator[Finding]:
        """Every difference."""
        yield from self._scores()
        yield from self._model()
        yield from self._members()
        yield from self._sanctions()
        yield from self._evidence()
        yield from self._losses()

    def _found(self, subject: str, message: str) -> Finding:
        return Finding(round=self.number, subject=subject, message=message)

    def _scores(self) -> Iterator[Finding]:
        for index, posted in sorted(self.record.scores.items()):
            self.checked += 1
            again = self.repeated.scores.get(index, 0)
            subject = f"score of {self.names[index]}"
            if abs(posted - again) > self.tolerance * SCORE_UNIT:
                yield self._found(
                    subject,
                    f"{posted / SCORE_UNIT:.9f} was posted, {again / SCORE_UNIT:.9f} is what the update is worth",
                )
            if self.report.scores.get(index) != posted:
                yield self._found(subject, "the report has another score than the chain")

    def _model(self) -> Iterator[Finding]:
        self.checked += 1
        named, model = self.record.model, content_id(self.repeated.model)
        if named is not None and model != named:
            yield self._found(
                "global model", f"{cid_text(named)} was named, the updates give {cid_text(model)}"
            )
        if self.report.model != named:
            yield self._found("global model", "the report names another model than the chain")
        if dict(self.report.weights) != dict(self.repeated.weights):
            yield self._found(
                "aggregation weights", f"{self.report.weights} posted, {self.repeated.weights} found"
            )

    def _members(self) -> Iterator[Finding]:
        said, found = self.report.rejected, self.repeated.rejected
        if dict(said) != dict(found):
            yield self._found("rejections", f"{self._reasons(said)} posted, {self._reasons(found)} found")
        scored = set(self.report.scores) != set(self.record.scores)
        if scored or set(self.report.validation_loss) != set(self.repeated.validation_loss):
            yield self._found("report", "it speaks of other members than were scored")

    def _sanctions(self) -> Iterator[Finding]:
        """What was done to members: as the report says, and as the evidence asks; limits may have stopped the contract."""
        self.checked += 1
        if set(self.report.sanctions) != set(self.repeated.sanctions):
            yield self._found("sanctions", f"{self.report.sanctions} posted, {self.repeated.sanctions} found")
        due = {(index, rounds == 0) for index, rounds, _ in self.repeated.sanctions}
        done = [(index, False) for index in self.record.suspended]
        done += [(index, True) for index in self.record.ejected]
        for index, ejected in done:
            # Who committed and did not open is suspended by the contract itself, in a relayed task.
            at_fault = index in self.record.commitments and index not in self.record.updates
            if (index, ejected) not in due and not at_fault:
                what = "ejected" if ejected else "suspended"
                yield self._found(
                    f"sanction of {self.names[index]}", f"it was {what}, the evidence does not ask for it"
                )

    def _evidence(self) -> Iterator[Finding]:
        if set(self.report.evidence) != set(self.repeated.evidence):
            yield self._found("evidence", "the report speaks of other members than were examined")
            return
        for index, found in self.repeated.evidence.items():
            for name, value in found.items():
                yield from self._same(
                    f"{name} of {self.names[index]}", self.report.evidence[index].get(name), value
                )

    def _losses(self) -> Iterator[Finding]:
        report, repeated = self.report, self.repeated
        yield from self._same("start loss", report.start_loss, repeated.start_loss)
        yield from self._same("start accuracy", report.start_accuracy, repeated.start_accuracy)
        for index, loss in repeated.validation_loss.items():
            said = report.validation_loss.get(index)
            yield from self._same(f"validation loss of {self.names[index]}", said, loss)
        yield from self._same("loss", report.loss, repeated.loss)
        yield from self._same("accuracy", report.accuracy, repeated.accuracy)

    def _same(self, subject: str, said: float | None, found: float) -> Iterator[Finding]:
        self.checked += 1
        if said is not None and math.isnan(said) and math.isnan(found):
            return  # a diverged model, and the report says so
        if said is None or not math.isclose(said, found, rel_tol=self.tolerance, abs_tol=self.tolerance):
            yield self._found(subject, f"the report says {said}, it is {found}")

    def _reasons(self, rejected: Mapping[TrainerIndex, str]) -> str:
        return ", ".join(f"{self.names[index]}: {why}" for index, why in sorted(rejected.items())) or "none"
