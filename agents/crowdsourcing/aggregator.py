# SPDX-License-Identifier: Apache-2.0
"""The aggregator that a crowd's publisher names: builds each round's model from the updates and the posted scores.

The evaluator then only judges, and cannot put a model of its own choice in the round's place. Where a rule asks for its
samples, as FLTrust does, the model is the one of its report, as far as anybody can tell that the rule can have come to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from bcfl.agents.common.decisions import Aggregated, Telling
from bcfl.agents.common.folding import encode_memory, encode_model
from bcfl.agents.common.retrieval import REPORT_BYTES, schema_of
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.spare_gas import after_the_round
from bcfl.agents.crowdsourcing.objecting.plausibility import contradiction
from bcfl.agents.crowdsourcing.objecting.repetition import Given, Repetition
from bcfl.agents.crowdsourcing.objecting.server_memory import memory_unsound
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.specification import Specification
from bcfl.models.aggregation.aggregator import Aggregate
from bcfl.models.errors import MalformedUpdate
from bcfl.storage.content_id import cid_text, content_id
from bcfl.storage.errors import FetchError

__all__ = ("Aggregator", "BuildModel", "decide")


_PATIENCE_S = 120.0
_PAUSE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class BuildModel(Work[ContentId]):
    """Build the model of the round that this report is on."""

    start: ContentId
    report: ContentId
    scores: tuple[tuple[TrainerIndex, int], ...]
    state: CrowdState = field(compare=False)
    """What was public when it was wanted."""


def decide(view: View, account: Address, results: Results) -> list[Action]:
    """All that an aggregator wants now: each round that is evaluated needs its model."""
    state = CrowdState.of(view.seen)
    if state is None or state.config.aggregator != account or state.phase is not Phase.AGGREGATION:
        return []
    record = state.current
    if record.report is None:
        return []
    work = BuildModel(
        round=record.number,
        start=record.start_model,
        report=record.report,
        scores=tuple(sorted(record.scores.items())),
        state=state,
    )
    model: ContentId | None = results.get(work)
    # The model is of this evaluation: it must not reach another one after a reorganisation.
    if model is None or not view.is_final(state.round, Phase.AGGREGATION):
        return [work]
    call = calls.submit_model(state.address, round_number=record.number, model=model)
    return [
        work,
        Transact(
            round=record.number,
            name="submit_model",
            call=call,
            evidence={"cid": cid_text(model)},
            spare_gas=after_the_round(state),
        ),
    ]


class Aggregator:
    """An aggregator's hands.

    Args:
        name: unique in the process.
        account: the one that the publisher named.
        services: of the process.
    """

    role = "aggregator"

    def __init__(self, *, name: str, account: Address, services: AgentServices) -> None:
        self.name = name
        self._account = account
        self._services = services
        self._repetition = Repetition(services.retrieval)
        self._tell = Telling(observer=services.observer, agent=name, role=self.role)

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """All that it wants now."""
        return decide(view, self._account, results)

    async def perform(self, work: Work[Any]) -> ContentId:
        """Build a round's model, and have it in the store.

        What cannot be had yet is waited for; where it does not come in time, or the evaluation cannot be, it names the model that
        the round began with: members object to such an evaluation, and until then nothing of it counts.
        """
        if not isinstance(work, BuildModel):
            raise TypeError(f"An aggregator does not know {work!r}.")
        specification = await self._services.retrieval.specification(work.state.config.specification)
        patience = min(_PATIENCE_S, work.state.config.schedule.aggregation / 2)
        until = anyio.current_time() + patience  # of waiting: what can be had takes the time that it takes
        while True:
            try:
                named = await self._built(work, specification)
            except FetchError:
                named = None
            if named is not None:
                return named
            if anyio.current_time() > until:
                return self._named(work, work.start, {})
            await anyio.sleep(_PAUSE_S)

    async def _built(self, work: BuildModel, specification: Specification) -> ContentId | None:
        """The model's name; None where an update that counts cannot be had."""
        retrieval, limit = self._services.retrieval, work.state.config.max_update_size
        record = work.state.current
        try:
            data = await retrieval.content(work.report, max_bytes=REPORT_BYTES)
            report = EvaluationReport.decode(data)
        except MalformedReport:
            return self._named(work, work.start, {})
        if contradiction(specification, work.state, record, report) is not None:
            return self._named(work, work.start, {})
        given = await self._repetition.given(specification, record, report, max_bytes=limit)
        if given is None:
            return None
        weights = dict(sorted(report.weights.items()))
        built = _chosen(given.outcomes, work.round, report)
        if built is None:
            return await self._as_reported(work, specification, report, given)
        store = self._services.store
        if built.memory is not None:
            await store.pin(await store.put(encode_memory(built.memory)))
        model = await store.put(encode_model(built.model, work.round, built.memory))
        await store.pin(model)
        return self._named(work, model, dict(zip(weights, built.integers, strict=True)))

    async def _as_reported(
        self, work: BuildModel, specification: Specification, report: EvaluationReport, given: Given
    ) -> ContentId:
        """The report's model, where the rule can have come to it and others can go on from it."""
        retrieval, limit = self._services.retrieval, work.state.config.max_update_size
        integers = tuple(report.weights[index] for index in sorted(report.weights))
        try:
            model = await retrieval.model(report.model, schema_of(specification), max_bytes=limit)
            unsound = await memory_unsound(
                retrieval, specification, work.state.current, (report.model, model), max_bytes=limit
            )
        except MalformedUpdate:
            return self._named(work, work.start, {})
        if unsound is not None or not given.allows(specification, model, integers):
            return self._named(work, work.start, {})
        await self._services.store.pin(report.model)
        return self._named(work, report.model, report.weights)

    def _named(self, work: BuildModel, model: ContentId, weights: Mapping[TrainerIndex, int]) -> ContentId:
        told = {str(index): weight for index, weight in sorted(weights.items())}
        self._tell(work.round, Aggregated(cid=cid_text(model), weights=told))
        return model


def _chosen(given: Sequence[Aggregate], number: int, report: EvaluationReport) -> Aggregate | None:
    """Of two that a rule can have come to the one that the evaluator's samples speak for; None where only it can tell."""
    for one in given:
        if content_id(encode_model(one.model, number, one.memory)) == report.model:
            return one
    return given[0] if given else None
