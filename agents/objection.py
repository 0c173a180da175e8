# SPDX-License-Identifier: Apache-2.0
"""What a trainer checks before it trains from a model that an evaluator made, and when it objects.

In this order, the first finding counts; each has a short reason that the event log carries:

``model_unavailable``   the model did not come in time
``model_malformed``     it is no model of the task's schema, or not finite
``report_unavailable``  the report did not come, or cannot be read
``report_mismatch``     it is of another round or model, or has other scores than the chain
``model_mismatch``      the updates, fetched and folded again as the specification says, give other weights or another model
``model_harmful``       on the trainer's own data its loss is more than ``HARM_FACTOR`` times that of the model before,
                        plus ``HARM_MARGIN``

The fold is repeated where everybody can repeat it: aggregator ``fedavg`` without pre-aggregators, no defence that
changes updates, and at most ``MOST_FOLDED`` of them. A model that repeats from updates of which none was rejected is
those updates' doing, whatever it is worth: then its loss is no reason. Where the publisher names an aggregator the
evaluator answers for its report alone, not for the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
import numpy as np

from bcfl import registry
from bcfl.agents.actions import Action, Transact, View, Work
from bcfl.agents.evaluation import encode_model
from bcfl.agents.gathering import NOT_OWNED
from bcfl.agents.ports import LearningEngine
from bcfl.agents.retrieval import Retrieval, schema_of
from bcfl.contracts import calls
from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ZERO_ADDRESS, Address, ContentId, TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.errors import ContractError, RegistryError
from bcfl.models.aggregation.fedavg import FedAvg
from bcfl.models.aggregation.fold import fold
from bcfl.models.errors import MalformedUpdate
from bcfl.models.training.job import SamplesRef
from bcfl.models.weights import Schema, Weights
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import FetchError

__all__ = (
    "HARM_FACTOR",
    "HARM_MARGIN",
    "MOST_FOLDED",
    "MOST_SAMPLES",
    "Finding",
    "OwnLoss",
    "Vet",
    "Vetting",
    "decide_objection",
)

HARM_FACTOR = 2.0
HARM_MARGIN = 0.5
"""Nats."""
MOST_FOLDED = 32
"""Updates of a round that are fetched again to repeat its fold."""
MOST_SAMPLES = 256
"""Own samples that a model is measured on."""

_REPORT_BYTES = 1 << 26
_REMEMBERED = 4


@dataclass(frozen=True, kw_only=True)
class Vet(Work):
    """Check the evaluation of ``round`` before anything is done with its model."""

    task: Address
    model: ContentId
    report: ContentId
    state: TaskState = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Why a trainer objects, and whether the model can be trained from all the same."""

    reason: str
    usable: bool


def decide_objection(
    view: View, state: TaskState, index: TrainerIndex, results: Mapping[Work, Any]
) -> tuple[list[Action], bool]:
    """What a member wants of the evaluation that stands open to objection, and whether it may go on with the model.

    Only who revealed in that round has a voice, so nobody else checks.
    """
    number = state.objectionable
    if number is None or index not in state.rounds[number].updates:
        return [], True
    record = state.rounds[number]
    assert record.model is not None  # noqa: S101 - an evaluated round that is over
    assert record.report is not None  # noqa: S101
    vet = Vet(round=number, task=state.address, model=record.model, report=record.report, state=state)
    if vet not in results:
        return [vet], False
    finding: Finding | None = results[vet]
    if finding is None:
        return [vet], True
    if index in record.objections:
        return [vet], finding.usable
    # The call names no round: it must not reach another evaluation than the one that was checked.
    final = view.final
    if final is None or final.objectionable != number or final.rounds[number].model != record.model:
        return [vet], False
    call = calls.object_to(state.address, index=index)
    evidence = {"reason": finding.reason}
    return [vet, Transact(round=number, name="object", call=call, evidence=evidence)], finding.usable


class OwnLoss:
    """A trainer's loss of models on at most ``MOST_SAMPLES`` of its own samples, evenly spread over them."""

    def __init__(self, *, engine: LearningEngine, samples: SamplesRef, count: int) -> None:
        indices = samples.indices if samples.indices is not None else np.arange(count)
        if len(indices) > MOST_SAMPLES:
            indices = indices[np.linspace(0, len(indices) - 1, MOST_SAMPLES).astype(np.int64)]
        self._engine = engine
        self._key = samples.key
        self._indices = indices
        self._known: dict[ContentId, float] = {}

    async def of(self, specification: Specification, content: ContentId, weights: Weights) -> float:
        """Mean loss in nats; that of the newest few models is remembered."""
        if content not in self._known:
            network = registry.create("network", specification.network.name, specification.network.parameters)
            found = await self._engine.evaluate(network, weights, self._key, self._indices)
            while len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[content] = found.loss
        return self._known[content]


@dataclass(frozen=True, kw_only=True)
class _Examined:
    """What all trainers find alike."""

    finding: Finding | None = None
    model: Weights | None = None
    """None where its loss does not count."""


class Vetting:
    """Checks evaluations; what does not depend on a trainer's data is done once for all agents of a process."""

    def __init__(self, retrieval: Retrieval) -> None:
        self._retrieval = retrieval
        self._examining = anyio.Lock()
        self._known: dict[Vet, _Examined] = {}

    async def vet(self, work: Vet, own: OwnLoss) -> Finding | None:
        """The first finding, None where there is nothing to object to.

        Raises:
            StorageError: the own store failed; that says nothing about the evaluation.
        """
        config = work.state.config
        try:
            specification = await self._retrieval.specification(config.specification)
            async with self._examining:
                examined = self._known.get(work)
                if examined is None:
                    examined = await self._examine(work, specification)
                    while len(self._known) >= _REMEMBERED:
                        del self._known[next(iter(self._known))]
                    self._known[work] = examined
            if examined.finding is not None or examined.model is None:
                return examined.finding
            start_model = work.state.rounds[work.round].start_model
            start = await self._retrieval.model(
                start_model, schema_of(specification), max_bytes=config.max_update_size
            )
            before = await own.of(specification, start_model, start)
            after = await own.of(specification, work.model, examined.model)
        except (FetchError, ContractError, MalformedUpdate, RegistryError):
            return None  # the specification, or the model before, is at fault: not this evaluation
        harmful = math.isfinite(before) and not after <= HARM_FACTOR * before + HARM_MARGIN
        return Finding(reason="model_harmful", usable=True) if harmful else None

    async def _examine(self, work: Vet, specification: Specification) -> _Examined:
        state = work.state
        record = state.rounds[work.round]
        schema = schema_of(specification)
        named = state.config.aggregator != ZERO_ADDRESS
        model: Weights | None = None
        try:
            model = await self._retrieval.model(work.model, schema, max_bytes=state.config.max_update_size)
        except FetchError:
            reason = "model_unavailable"
        except MalformedUpdate:
            reason = "model_malformed"
        if model is None and not named:
            return _Examined(finding=Finding(reason=reason, usable=False))
        usable = model is not None
        report = await self._report(work.report)
        if report is None:
            return _Examined(finding=Finding(reason="report_unavailable", usable=usable))
        if not _matches(report, record, named=named):
            return _Examined(finding=Finding(reason="report_mismatch", usable=usable))
        if named:
            return _Examined()
        repeated = await self._repeated(state, record, report, specification, schema)
        if repeated is False:
            return _Examined(finding=Finding(reason="model_mismatch", usable=True))
        judged = any(reason != NOT_OWNED or record.updates[i].owned for i, reason in report.rejected.items())
        return _Examined(model=None if repeated and not judged else model)

    async def _report(self, content: ContentId) -> EvaluationReport | None:
        try:
            return EvaluationReport.decode(await self._retrieval.content(content, max_bytes=_REPORT_BYTES))
        except (FetchError, MalformedReport):
            return None

    async def _repeated(
        self,
        state: TaskState,
        record: RoundRecord,
        report: EvaluationReport,
        specification: Specification,
        schema: Schema,
    ) -> bool | None:
        """Whether the fold gives the model again; None where it cannot be repeated."""
        aggregator = registry.create(
            "aggregator", specification.aggregator.name, specification.aggregator.parameters
        )
        plain = isinstance(aggregator, FedAvg) and not aggregator.before
        if not plain or specification.defence.name != "none" or len(record.updates) > MOST_FOLDED:
            return None
        members = sorted(report.weights)
        if not all(index in record.updates and record.updates[index].owned for index in members):
            return False
        limit = state.config.max_update_size
        models, samples = [], []
        for index in members:
            try:
                weights, metadata = await self._retrieval.update(
                    record.updates[index].content, schema, max_bytes=limit
                )
            except FetchError:
                return None  # its trainer may have taken it away since
            except MalformedUpdate:
                return False
            models.append(weights)
            samples.append(metadata.get("samples", ""))
        if not all(claimed.isascii() and claimed.isdigit() and len(claimed) <= 10 for claimed in samples):
            return False
        integers = aggregator.integer_weights(
            samples=[int(claimed) for claimed in samples],
            scores=[record.scores[index] / SCORE_UNIT for index in members],
        )
        if integers != tuple(report.weights[index] for index in members):
            return False
        if any(integers):
            folded = await anyio.to_thread.run_sync(fold, models, integers)
        else:
            folded = await self._retrieval.model(record.start_model, schema, max_bytes=limit)
        return content_id(encode_model(folded, record.number)) == record.model


def _matches(report: EvaluationReport, record: RoundRecord, *, named: bool) -> bool:
    """Whether the report is this round's and says what the chain says."""
    return (
        report.round == record.number
        and report.start_model == record.start_model
        and (named or report.model == record.model)
        and dict(report.scores) == dict(record.scores)
    )
