# SPDX-License-Identifier: Apache-2.0
"""A task as an onlooker sees it after the newest block: its state, who was sent away and why, and what the store says of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bcfl.contracts import events as e
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, BlockHash, ContentId, TrainerIndex
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.scenarios.outcome.detection import reason_name

__all__ = ("Sanction", "Watched")

_FULL_REPORTS = 40
"""Of the newest rounds; of earlier ones only what a sanction rests on is kept whole."""


@dataclass(frozen=True, kw_only=True)
class Sanction:
    """A member was suspended or thrown out, as its block says.

    Attributes:
        round: whose evaluation did it.
        index: of the member.
        reason: the contract's, as a word.
        until: the round in which it may come back; None: thrown out.
        block: that says so.
        place: of the event in its block.
    """

    round: int
    index: TrainerIndex
    reason: str
    until: int | None
    block: BlockRef
    place: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """One task; a new one after every change, so that who draws it sees by identity whether there is anything new.

    Attributes:
        kind: crowd or consortium.
        state: after the newest block.
        evaluators: as the task was made with.
        created: its first block.
        sanctions: in their order.
        specification: None until the store gives it.
        reports: evaluations by their content; of the newest rounds, and of those with sanctions.
        measures: of every evaluation that was read, by its content: loss and accuracy of the model after the round.
        missing: evaluations that the store did not give, or that cannot be read.
        gas: used by transactions to the task, by role, in final blocks in which it said something.
    """

    kind: Kind
    state: TaskState
    evaluators: tuple[Address, ...]
    created: BlockRef
    sanctions: tuple[Sanction, ...] = ()
    specification: Specification | None = None
    reports: Mapping[ContentId, EvaluationReport] = field(default_factory=dict)
    measures: Mapping[ContentId, tuple[float, float]] = field(default_factory=dict)
    missing: frozenset[ContentId] = frozenset()
    gas: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def made(cls, event: e.TaskCreated, state: TaskState) -> Watched:
        """A task right after it was made."""
        return cls(
            kind=event.kind,
            state=state,
            evaluators=event.evaluators,
            created=event.origin.block,
        )

    def after(self, state: TaskState, events: Iterable[e.Event]) -> Watched:
        """With the state after a block and what that block said; what it said before is not taken twice."""
        known = {(one.block.hash, one.place) for one in self.sanctions}
        new = [
            one
            for event in events
            if (one := _sanction(event)) is not None and (one.block.hash, one.place) not in known
        ]
        return dataclasses.replace(self, state=state, sanctions=(*self.sanctions, *new))

    def without(self, state: TaskState, gone: Collection[BlockHash]) -> Watched:
        """With the state as it was before blocks that left the chain."""
        kept = tuple(one for one in self.sanctions if one.block.hash not in gone)
        return dataclasses.replace(self, state=state, sanctions=kept)

    def reported(self, content: ContentId, report: EvaluationReport) -> Watched:
        """With one more evaluation."""
        reports = {**self.reports, content: report}
        if len(reports) > _FULL_REPORTS:
            needed = {self._deciding(one) for one in self.sanctions}
            spare = [known for known in reports if known not in needed]
            spare.sort(key=lambda known: reports[known].round)
            for known in spare[: len(reports) - _FULL_REPORTS]:
                del reports[known]
        return dataclasses.replace(
            self,
            reports=reports,
            measures={**self.measures, content: (report.loss, report.accuracy)},
            missing=self.missing - {content},
        )

    def evidence_of(self, sanction: Sanction) -> EvaluationReport | None:
        """The evaluation that measured what a sanction rests on: of its round, or the last one before in which the member handed in."""
        content = self._deciding(sanction)
        report = None if content is None else self.reports.get(content)
        return report if report is not None and sanction.index in report.evidence else None

    def awaits_evidence_of(self, sanction: Sanction) -> bool | None:
        """Whether the evaluation that a sanction rests on is still to be read; None: the store does not give it."""
        content = self._deciding(sanction)
        if content is None or content in self.measures:
            return False
        return None if content in self.missing else True

    def _deciding(self, sanction: Sanction) -> ContentId | None:
        """The evaluation of the sanction's round, or of the last one before in which the member handed in an update."""
        for number in range(sanction.round, 0, -1):
            record = self.state.rounds.get(number)
            if (
                isinstance(record, CrowdRound)
                and sanction.index in record.updates
                and record.report is not None
            ):
                return record.report
        return None

    @property
    def quality(self) -> dict[int, tuple[float, float]]:
        """Loss and accuracy of the model after each round whose evaluation was read and stands, by round."""
        found = {}
        for number, record in sorted(self.state.rounds.items()):
            if isinstance(record, CrowdRound) and record.report is not None and not record.reverted:
                measured = self.measures.get(record.report)
                if measured is not None:
                    found[number] = measured
        return found

    def spent(self, role: str, gas: int) -> Watched:
        """With the gas of one more transaction."""
        return dataclasses.replace(self, gas={**self.gas, role: self.gas.get(role, 0) + gas})


def _sanction(event: e.Event) -> Sanction | None:
    if not isinstance(event, e.TrainerSuspended | e.TrainerEjected):
        return None
    return Sanction(
        round=event.round,
        index=event.index,
        reason=reason_name(event.reason),
        until=event.until_round if isinstance(event, e.TrainerSuspended) else None,
        block=event.origin.block,
        place=event.origin.log_index,
    )
