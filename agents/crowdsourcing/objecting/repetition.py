# SPDX-License-Identifier: Apache-2.0
"""A round done again from what its members handed in: does what the evaluator says of it come out, and its model?

Each update is fetched and checked as the evaluator had to. Where all are at hand the rule is repeated bit for bit, the
defence's changes to updates included. What the verdict owes to the evaluator's own samples is believed, but it is the
evaluator's choice, and so is a weight that follows its scores: ``chosen`` says whether there was any.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bcfl.agents.common.entries import aggregator_of, defence_of
from bcfl.agents.common.folding import Counted, encode_model, outcomes, possible, remembered
from bcfl.agents.common.gathering import INVALID_WORDS, UNPROVEN, Fetched, fetched
from bcfl.agents.common.retrieval import Retrieval, schema_of
from bcfl.agents.crowdsourcing.objecting.facts import Fact, borne_out, fact_of, weighed
from bcfl.agents.crowdsourcing.objecting.plausibility import MODEL, VERDICT
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.models.aggregation.aggregator import Aggregate
from bcfl.models.declared import follows_scores
from bcfl.models.defences.bounds import Bounded
from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import FetchError

__all__ = ("Given", "Repeated", "Repetition", "checkable")

_REMEMBERED = 4096
_REPORTS = 16


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """What came out.

    Attributes:
        reason: to object, if there is any.
        same: the model is what the updates give.
        chosen: the evaluator had, or may have had, a choice in what its model is worth.
    """

    reason: str | None = None
    same: bool = False
    chosen: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What a round's updates and scores come to.

    Attributes:
        outcomes: all that the rule can have come to; empty where it, or the defence, asks for what only the evaluator has.
        counted: what went into it; None where only the evaluator knows.
    """

    outcomes: tuple[Aggregate, ...]
    counted: Counted | None

    def allows(self, specification: Specification, model: Weights, integers: tuple[int, ...]) -> bool:
        """Whether the rule can have come to this model with these weights; of one that does not say, yes."""
        claimed = Aggregate(model=model, integers=integers)
        return self.counted is None or possible(specification, self.counted, claimed)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """A round's start model, and its updates as they were fetched and looked at."""

    start: Weights
    found: Mapping[TrainerIndex, Fetched]
    facts: Mapping[TrainerIndex, Fact]


def checkable(record: CrowdRound, report: EvaluationReport) -> list[TrainerIndex]:
    """Whose updates can bear out or contradict the report, ascending.

    What a store may have kept from the evaluator proves nothing: if it can be had now it may have come late, and to wait
    for it takes a minute.
    """
    return [index for index in record.targets if report.rejected.get(index) not in UNPROVEN]


class Repetition:
    """Repeats rounds; what was seen of single updates is remembered for all agents of a process."""

    def __init__(self, retrieval: Retrieval) -> None:
        self._retrieval = retrieval
        self._facts: dict[tuple[ContentId, ContentId], Fact] = {}
        self._as_claimed: dict[ContentId | None, bool] = {}

    async def whole(
        self,
        specification: Specification,
        record: CrowdRound,
        report: EvaluationReport,
        *,
        model: Weights | None,
        max_bytes: int,
        named: bool,
    ) -> Repeated:
        """The round again from all its updates.

        Args:
            specification: of the task.
            record: the round.
            report: on it, without contradictions.
            model: the round's, None if it is not finite or the aggregator's to name.
            max_bytes: of an update or a model.
            named: the publisher names an aggregator, so that the model is not the evaluator's.

        Raises:
            StorageError: the own store failed, or the round's start model cannot be had.
            MalformedUpdate: the start model is none.
            RegistryError: the task's defence or aggregator is not known.
        """
        seen = await self._look(specification, record, report, max_bytes)
        if not borne_out(specification, record, report, seen.facts, seen.start.digest()):
            return Repeated(reason=VERDICT)
        if named:
            return Repeated(chosen=False)
        counted = await self._what_counted(specification, record, report, seen, max_bytes)
        if counted is None:
            return Repeated()
        integers = tuple(report.weights[index] for index in sorted(report.weights))
        tried = await outcomes(specification, counted)
        if not tried:
            claimed = None if model is None else Aggregate(model=model, integers=integers)
            known = claimed is None or possible(specification, counted, claimed)
            return Repeated(reason=None if known else MODEL)
        for aggregate in tried:
            named_so = (
                content_id(encode_model(aggregate.model, record.number, aggregate.memory)) == record.model
            )
            if named_so and aggregate.integers == integers:
                return Repeated(same=True, chosen=_chosen(specification, record, report, tried))
        return Repeated(reason=MODEL)

    async def given(
        self, specification: Specification, record: CrowdRound, report: EvaluationReport, *, max_bytes: int
    ) -> Given | None:
        """What the updates and the posted scores give; None where an update that counts cannot be had. Raises as ``whole``."""
        if not isinstance(defence_of(specification), Bounded):
            return Given(outcomes=(), counted=None)
        seen = await self._look(specification, record, report, max_bytes)
        counted = await self._what_counted(specification, record, report, seen, max_bytes)
        if counted is None:
            return None
        return Given(outcomes=await outcomes(specification, counted), counted=counted)

    async def _look(
        self, specification: Specification, record: CrowdRound, report: EvaluationReport, max_bytes: int
    ) -> _Seen:
        wanted = {index: record.updates[index].content for index in checkable(record, report)}
        start = await self._retrieval.model(record.start_model, schema_of(specification), max_bytes=max_bytes)
        found = await fetched(self._retrieval, specification, wanted, start=start, max_bytes=max_bytes)
        facts = {index: fact_of(one, specification) for index, one in found.items()}
        return _Seen(start=start, found=found, facts=facts)

    async def _what_counted(
        self,
        specification: Specification,
        record: CrowdRound,
        report: EvaluationReport,
        seen: _Seen,
        max_bytes: int,
    ) -> Counted | None:
        """What went into the model; None where it cannot be told, or something of it cannot be had."""
        models = {
            i: one[0] for i, one in seen.found.items() if isinstance(one, tuple) and seen.facts[i].samples
        }
        counted = _counted(specification, record, report, seen.start, models, seen.facts)
        if counted is None:
            return None
        try:
            before = await remembered(self._retrieval, specification, record.start_model, max_bytes=max_bytes)
        except (FetchError, MalformedUpdate):
            return None  # it was there when the round before was examined
        return dataclasses.replace(counted, memory=before)

    async def sampled(
        self,
        specification: Specification,
        record: CrowdRound,
        report: EvaluationReport,
        *,
        max_bytes: int,
        drawn: Collection[TrainerIndex],
    ) -> str | None:
        """A reason to object in one of the drawn updates, or in weights that follow from them; raises as ``whole``."""
        wanted = {
            index: record.updates[index].content
            for index in drawn
            if (record.start_model, record.updates[index].content) not in self._facts
        }
        start = await self._retrieval.model(record.start_model, schema_of(specification), max_bytes=max_bytes)
        found = await fetched(self._retrieval, specification, wanted, start=start, max_bytes=max_bytes)
        for index, one in found.items():
            self._facts[record.start_model, wanted[index]] = fact_of(one, specification)
        facts = {index: self._facts[record.start_model, record.updates[index].content] for index in drawn}
        while len(self._facts) > _REMEMBERED:
            del self._facts[next(iter(self._facts))]
        if not borne_out(specification, record, report, facts, start.digest()):
            return VERDICT
        return None if self._weighed(specification, record, report, facts) else MODEL

    def _weighed(
        self,
        specification: Specification,
        record: CrowdRound,
        report: EvaluationReport,
        facts: Mapping[TrainerIndex, Fact],
    ) -> bool:
        """As ``weighed``; where the claims that were seen are what the report weighs with, all who look find the same."""
        claims = {index: fact.samples for index, fact in facts.items() if fact.samples}
        if any(report.weights.get(index, claim) != claim for index, claim in claims.items()):
            return weighed(specification, record, report, claims)
        if record.report not in self._as_claimed:
            while len(self._as_claimed) >= _REPORTS:
                del self._as_claimed[next(iter(self._as_claimed))]
            self._as_claimed[record.report] = weighed(specification, record, report, {})
        return self._as_claimed[record.report]


def _counted(
    specification: Specification,
    record: CrowdRound,
    report: EvaluationReport,
    start: Weights,
    models: Mapping[TrainerIndex, Weights],
    facts: Mapping[TrainerIndex, Fact],
) -> Counted | None:
    """What went into the model; None where it cannot be told, or something of it cannot be had."""
    defence = defence_of(specification)
    if not isinstance(defence, Bounded):
        return None
    # What is rejected as invalid has no part in anything; of the others even those that are not weighed may have.
    needed = [index for index in facts if report.rejected.get(index) not in INVALID_WORDS]
    if any(index not in models for index in needed):
        return None
    passed = defence.passed(
        start,
        {int(index): models[index] for index in needed},
        {int(index): word for index, word in report.rejected.items()},
    )
    members = [TrainerIndex(index) for index in passed]
    if set(members) != report.weights.keys():
        return None  # a defence that contradicts itself
    return Counted(
        start=start,
        models={index: passed[index] for index in members},
        samples={index: facts[index].samples for index in members},
        scores={index: record.scores[index] for index in members},
    )


def _chosen(
    specification: Specification,
    record: CrowdRound,
    report: EvaluationReport,
    tried: Sequence[Aggregate],
) -> bool:
    """Whether the evaluator's own samples, or its word, decided what is in a model that repeats."""
    return (
        len({aggregate.model.digest() for aggregate in tried}) > 1
        or follows_scores(aggregator_of(specification))
        or any(not report.weights.get(index) for index in record.targets)
    )
