# SPDX-License-Identifier: Apache-2.0
"""The aggregator that a crowd's publisher names: builds each round's model from the updates and the posted scores.

The evaluator then only judges, and cannot put a model of its own choice in the round's place. What only the evaluator can
tell (a rule that asks for its samples, an update that can no longer be had) is taken from its report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bcfl.agents.common.decisions import Aggregated, Telling
from bcfl.agents.common.folding import encode_memory, encode_model
from bcfl.agents.common.retrieval import REPORT_BYTES, schema_of
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.spare_gas import after_the_round
from bcfl.agents.crowdsourcing.objecting.plausibility import contradiction
from bcfl.agents.crowdsourcing.objecting.repetition import Repetition
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


@dataclass(frozen=True, kw_only=True)
class BuildModel(Work[ContentId]):
    """Build the model of the round that this report is on."""

    task: Address
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
        task=state.address,
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
        """Build a round's model, and have it in the store."""
        if not isinstance(work, BuildModel):
            raise TypeError(f"An aggregator does not know {work!r}.")
        retrieval, limit = self._services.retrieval, work.state.config.max_update_size
        specification = await retrieval.specification(work.state.config.specification)
        report = await self._report(work, specification)
        if report is None:
            # Members object to such an evaluation; until then nothing of it counts, and the task goes on.
            return self._named(work, work.start, {})
        given = await self._repetition.given(specification, work.state.current, report, max_bytes=limit)
        built = _chosen(given, work.round, report)
        weights = {str(index): weight for index, weight in sorted(report.weights.items())}
        if built is None:
            try:
                await retrieval.model(report.model, schema_of(specification), max_bytes=limit)
            except (FetchError, MalformedUpdate):
                return self._named(work, work.start, {})
            await self._services.store.pin(report.model)
            return self._named(work, report.model, weights)
        store = self._services.store
        if built.memory is not None:
            await store.pin(await store.put(encode_memory(built.memory)))
        model = await store.put(encode_model(built.model, work.round, built.memory))
        await store.pin(model)
        weights = dict(zip(weights, built.integers, strict=True))
        return self._named(work, model, weights)

    def _named(self, work: BuildModel, model: ContentId, weights: dict[str, int]) -> ContentId:
        self._tell(work.round, Aggregated(cid=cid_text(model), weights=weights))
        return model

    async def _report(self, work: BuildModel, specification: Specification) -> EvaluationReport | None:
        """The round's, where it can be had and does not contradict itself or the chain."""
        try:
            data = await self._services.retrieval.content(work.report, max_bytes=REPORT_BYTES)
            report = EvaluationReport.decode(data)
        except (FetchError, MalformedReport):
            return None
        broken = contradiction(specification, work.state, work.state.current, report)
        return report if broken is None else None


def _chosen(given: Sequence[Aggregate], number: int, report: EvaluationReport) -> Aggregate | None:
    """Of two that a rule can have come to the one that the evaluator's samples speak for; None where only it can tell."""
    for one in given:
        if content_id(encode_model(one.model, number, one.memory)) == report.model:
            return one
    return given[0] if given else None
