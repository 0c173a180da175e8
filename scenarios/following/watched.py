# SPDX-License-Identifier: Apache-2.0
"""A task as an onlooker sees it after the newest block: its state, who was sent away and why, and what the store says of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bcfl.contracts import events as e
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
        quality: loss and accuracy of the model after a round, by round, as its report says.
        missing: rounds whose report the store does not give.
        gas: used by transactions to the task in final blocks, by role.
    """

    kind: Kind
    state: TaskState
    evaluators: tuple[Address, ...]
    created: BlockRef
    sanctions: tuple[Sanction, ...] = ()
    specification: Specification | None = None
    reports: Mapping[ContentId, EvaluationReport] = field(default_factory=dict)
    quality: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()
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
            needed = {found[0] for one in self.sanctions if (found := _measured(reports, one)) is not None}
            spare = [known for known in reports if known not in needed]
            spare.sort(key=lambda known: reports[known].round)
            for known in spare[: len(reports) - _FULL_REPORTS]:
                del reports[known]
        return dataclasses.replace(
            self,
            reports=reports,
            quality={**self.quality, report.round: (report.loss, report.accuracy)},
            missing=self.missing - {report.round},
        )

    def evidence_of(self, sanction: Sanction) -> EvaluationReport | None:
        """The evaluation that measured what a sanction rests on: of its round, or the last one before in which the member handed in."""
        found = _measured(self.reports, sanction)
        return None if found is None else found[1]

    def spent(self, role: str, gas: int) -> Watched:
        """With the gas of one more transaction."""
        return dataclasses.replace(self, gas={**self.gas, role: self.gas.get(role, 0) + gas})


def _measured(
    reports: Mapping[ContentId, EvaluationReport], sanction: Sanction
) -> tuple[ContentId, EvaluationReport] | None:
    held = [
        (content, report)
        for content, report in reports.items()
        if report.round <= sanction.round and sanction.index in report.evidence
    ]
    return max(held, key=lambda pair: pair[1].round, default=None)


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
