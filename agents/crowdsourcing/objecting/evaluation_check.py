# SPDX-License-Identifier: Apache-2.0
"""What a trainer checks of an evaluation before it trains from its model.

In this order, the first finding counts; each has a short reason that the event log carries:

``model_unavailable``    the model did not come in time
``model_malformed``      it is no model of the task's schema, or not finite, and the updates do not give it
``report_unavailable``   the report did not come, or cannot be read
``report_mismatch``      it is of another round or model, or has other scores than the chain
``members_mismatch``     its weights and rejections are not, together and once each, those of all who revealed, or
                         somebody is paid whose update is rejected for another reason than the model's good
``verdict_unfounded``    an update is rejected for what it is not, or weighed though it must not be
``sanction_unfounded``   somebody was sanctioned otherwise than it says, or for what the defence cannot have found
``model_mismatch``       the updates, aggregated again as the specification says, give other weights or another model
``model_harmful``        on the trainer's own data its loss is more than ``HARM_FACTOR`` times that of the model before,
                         plus ``HARM_MARGIN``

All but the last blame the evaluator. Harm blames nobody, for the model may be what honest members came to; it counts
where the evaluator had a choice in it: weights follow its scores, somebody's own update has no weight, or the model
cannot be repeated. Up to ``MOST_FOLDED`` updates are all fetched and the model is made again; of more, each trainer
draws so many by a secret of its own. Where the publisher names an aggregator the evaluator answers for its report alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import numpy as np

from bcfl.agents.common.entries import network_of
from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval, schema_of
from bcfl.agents.crowdsourcing.objecting.plausibility import contradiction
from bcfl.agents.crowdsourcing.objecting.repetition import Repetition, checkable
from bcfl.agents.crowdsourcing.objecting.server_memory import memory_unsound
from bcfl.agents.runtime.actions import Work
from bcfl.agents.runtime.ports import LearningEngine
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ZERO_ADDRESS, Address, ContentId, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.errors import ContractError, RegistryError
from bcfl.models.errors import MalformedUpdate
from bcfl.models.training.job import SamplesRef
from bcfl.models.weights import Weights
from bcfl.storage.errors import FetchError

__all__ = (
    "HARMFUL",
    "HARM_FACTOR",
    "HARM_MARGIN",
    "MOST_FOLDED",
    "MOST_SAMPLES",
    "CheckEvaluation",
    "EvaluationCheck",
    "Objection",
    "OwnLoss",
    "draw",
)

HARM_FACTOR = 2.0
HARM_MARGIN = 0.5
"""Nats."""
MOST_FOLDED = 32
"""Updates of a round that are fetched again: all, to repeat its model, or so many of them, drawn."""
MOST_SAMPLES = 256
"""Own samples that a model is measured on."""

HARMFUL = "model_harmful"

_REMEMBERED = 4


@dataclass(frozen=True, kw_only=True)
class CheckEvaluation(Work["Objection | None"]):
    """Check the evaluation of ``round`` before anything is done with its model."""

    task: Address
    model: ContentId
    report: ContentId
    state: CrowdState = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Objection:
    """Why a trainer objects.

    Attributes:
        reason: a word, as the event log carries it.
        usable: the model can be trained from all the same.
        blames: the evaluator is at fault. Otherwise the model is worse on the trainer's own data and nothing else is
            found: then it should not count, and nobody loses a bond.
    """

    reason: str
    usable: bool
    blames: bool


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
            network = network_of(specification)
            found = await self._engine.evaluate(network, weights, self._key, self._indices)
            while len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[content] = found.loss
        return self._known[content]


@dataclass(frozen=True, kw_only=True)
class _Examined:
    """What all trainers find alike.

    Attributes:
        finding: why to object, if anything was found.
        measured: the model's loss counts.
        model: None where there is none, or none that is finite: that is worse than any.
        many: the report, where there are so many updates that each trainer checks some of its own choice.
    """

    finding: Objection | None = None
    measured: bool = False
    model: Weights | None = None
    many: EvaluationReport | None = None


class EvaluationCheck:
    """Checks evaluations; what does not depend on a trainer's data is done once for all agents of a process."""

    def __init__(self, retrieval: Retrieval) -> None:
        self._retrieval = retrieval
        self._repetition = Repetition(retrieval)
        self._examining = anyio.Lock()
        self._known: dict[CheckEvaluation, _Examined] = {}

    async def check(self, work: CheckEvaluation, own: OwnLoss, *, secret: bytes) -> Objection | None:
        """The first finding, None where there is nothing to object to.

        Args:
            work: what to check.
            own: measures models on the trainer's own data.
            secret: the trainer's; of many updates it draws those that it checks, so that nobody can foresee them.

        Raises:
            StorageError: the own store failed; that says nothing about the evaluation.
        """
        try:
            specification = await self._retrieval.specification(work.state.config.specification)
            examined = await self._examined(work, specification, secret)
            if examined.finding is not None or not examined.measured:
                return examined.finding
            start_model = work.state.rounds[work.round].start_model
            start = await self._retrieval.model(
                start_model, schema_of(specification), max_bytes=work.state.config.max_update_size
            )
            before = await own.of(specification, start_model, start)
            after = math.inf
            if examined.model is not None:
                after = await own.of(specification, work.model, examined.model)
        except (FetchError, ContractError, MalformedUpdate, RegistryError):
            return None  # the specification, or the model before, is at fault: not this evaluation
        harmful = math.isfinite(before) and not after <= HARM_FACTOR * before + HARM_MARGIN
        usable = examined.model is not None
        return Objection(reason=HARMFUL, usable=usable, blames=False) if harmful else None

    async def repeats(self, work: CheckEvaluation, *, secret: bytes) -> bool:
        """Whether nothing in a past evaluation blames its evaluator: it repeats from what members handed in.

        Raises:
            StorageError: the own store failed.
        """
        found = await self.found(work, secret=secret)
        return found is None or not found.blames

    async def found(self, work: CheckEvaluation, *, secret: bytes) -> Objection | None:
        """What anybody finds in an evaluation without data of one's own; None also where the specification itself cannot be used.

        Raises:
            StorageError: the own store failed.
        """
        try:
            specification = await self._retrieval.specification(work.state.config.specification)
            examined = await self._examined(work, specification, secret)
        except (FetchError, ContractError, MalformedUpdate, RegistryError):
            return None
        return examined.finding

    async def _examined(
        self, work: CheckEvaluation, specification: Specification, secret: bytes
    ) -> _Examined:
        async with self._examining:
            examined = self._known.get(work)
            if examined is None:
                examined = await self._examine(work, specification)
                while len(self._known) >= _REMEMBERED:
                    del self._known[next(iter(self._known))]
                self._known[work] = examined
            if examined.many is None:
                return examined
            record = work.state.rounds[work.round]
            reason = await self._repetition.sampled(
                specification,
                record,
                examined.many,
                max_bytes=work.state.config.max_update_size,
                drawn=draw(checkable(record, examined.many), work, secret),
            )
        return examined if reason is None else _blaming(reason, usable=True)

    async def _examine(self, work: CheckEvaluation, specification: Specification) -> _Examined:
        """What does not depend on who looks."""
        state = work.state
        record = state.rounds[work.round]
        limit = state.config.max_update_size
        named = state.config.aggregator != ZERO_ADDRESS
        model: Weights | None = None
        malformed = False
        try:
            model = await self._retrieval.model(work.model, schema_of(specification), max_bytes=limit)
        except FetchError:
            if not named:
                return _blaming("model_unavailable", usable=False)
        except MalformedUpdate:
            malformed = not named
        usable = model is not None
        report = await self._report(work.report)
        if report is None:
            return _blaming("model_malformed" if malformed else "report_unavailable", usable=usable)
        reason = contradiction(specification, state, record, report)
        if reason is not None:
            return _blaming("model_malformed" if malformed else reason, usable=usable)
        if not named and model is not None:
            unsound = await memory_unsound(
                self._retrieval, specification, record, (work.model, model), max_bytes=limit
            )
            if unsound is not None:
                return _blaming(unsound, usable=False)
        if len(checkable(record, report)) > MOST_FOLDED:
            if malformed:
                return _blaming("model_malformed", usable=False)
            return _Examined(model=model, measured=not named, many=report)
        found = await self._repetition.whole(
            specification, record, report, model=model, max_bytes=limit, named=named
        )
        if malformed and not found.same:
            return _blaming("model_malformed", usable=False)
        if found.reason is not None:
            return _blaming(found.reason, usable=usable)
        return _Examined(model=model, measured=(found.chosen or malformed) and not named)

    async def _report(self, content: ContentId) -> EvaluationReport | None:
        try:
            return EvaluationReport.decode(await self._retrieval.content(content, max_bytes=REPORT_BYTES))
        except (FetchError, MalformedReport):
            return None


def draw(indices: Sequence[TrainerIndex], work: CheckEvaluation, secret: bytes) -> list[TrainerIndex]:
    """``MOST_FOLDED`` of the indices, ascending: others for every secret, report and task."""
    seed = hashlib.sha256(secret + bytes.fromhex(work.task[2:]) + work.report.digest).digest()
    ordered = sorted(indices)
    places = np.random.default_rng(int.from_bytes(seed, "big")).permutation(len(ordered))[:MOST_FOLDED]
    return [ordered[place] for place in sorted(places)]


def _blaming(reason: str, *, usable: bool) -> _Examined:
    return _Examined(finding=Objection(reason=reason, usable=usable, blames=True))
