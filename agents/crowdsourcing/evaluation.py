# SPDX-License-Identifier: Apache-2.0
"""What a round's evaluation is: the same computation for the evaluator that posts it and the auditor that repeats it.

Updates are fetched and checked, those that fail are rejected with the reason; the rest is scored, weighted and folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio
import numpy as np
import numpy.typing as npt

from bcfl.agents.common.entries import aggregator_of, defence_of, network_of, score_of
from bcfl.agents.common.folding import Counted, Private, aggregated, encode_memory, encode_model, remembered
from bcfl.agents.common.gathering import UNAVAILABLE, UNLISTED, gather
from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval, schema_of
from bcfl.agents.crowdsourcing.round_history import MemoryArchive, RoundHistory
from bcfl.agents.crowdsourcing.sanctions import intended
from bcfl.agents.runtime.ports import LearningEngine
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.phases import Reason
from bcfl.contracts.scores import quantise
from bcfl.contracts.specification import Specification
from bcfl.models.aggregation.weights import proportions
from bcfl.models.declared import is_stateless
from bcfl.models.defences.defence import DefenceRound, Fault, Member, Memory, Verdict
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.network import Network
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.training.hyperparameters import hyperparameters_of
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import FetchError

__all__ = ("RoundEvaluation", "RoundEvaluator")

_Key = TypeVar("_Key")


@dataclass(frozen=True, kw_only=True)
class RoundEvaluation:
    """A round's outcome before it is posted; ``scores`` in 10⁻⁹ units for every revealed member."""

    scores: Mapping[TrainerIndex, int]
    weights: Mapping[TrainerIndex, int]
    rejected: Mapping[TrainerIndex, str]
    validation_loss: Mapping[TrainerIndex, float]
    evidence: Mapping[TrainerIndex, Mapping[str, float]]
    sanctions: tuple[tuple[TrainerIndex, int, Reason], ...]
    """Index, rounds (0 ejects) and why."""
    model: bytes
    start_loss: float
    start_accuracy: float
    loss: float
    accuracy: float
    examined: frozenset[TrainerIndex] = frozenset()
    """Whose updates were looked at: all that could be used."""
    memory: bytes | None = None
    """What the server optimiser remembers; the model names it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judged:
    """A round before it is scored: who was rejected and why, and what the defence says of the others."""

    network: Network
    begin: Weights
    models: Mapping[TrainerIndex, Weights]
    samples: Mapping[TrainerIndex, int]
    rejected: Mapping[TrainerIndex, str]
    verdict: Verdict
    weights: Mapping[TrainerIndex, int]
    """Of each valid update in the game that the defence looked at."""


class RoundEvaluator:
    """Evaluates the rounds of one task on one validation set.

    Args:
        samples_key: names the validation set in the engine.
        samples: how many it has.
        archive: where an earlier life of the same evaluator left what it remembered of the task.
    """

    def __init__(
        self,
        *,
        engine: LearningEngine,
        retrieval: Retrieval,
        samples_key: str,
        samples: int,
        archive: MemoryArchive | None = None,
    ) -> None:
        self._engine = engine
        self._retrieval = retrieval
        self._samples_key = samples_key
        self._samples = samples
        self._measured: dict[ContentId, Evaluation] = {}
        self._history = RoundHistory(archive)

    async def evaluate(
        self,
        *,
        specification: Specification,
        rounds: Mapping[int, CrowdRound],
        round_number: int,
        max_update_size: int,
    ) -> RoundEvaluation:
        """Judge, score and aggregate the revealed updates of a round, in index order.

        Args:
            specification: of the task; always the same one.
            rounds: that round and all before it.
            round_number: which.
            max_update_size: bytes.

        Raises:
            StorageError: the own store failed, or the start model cannot be had.
        """

        async def leaves(record: CrowdRound, memory: Memory) -> Memory:
            # An earlier round, without scoring and aggregating it again.
            return (await self._judge(specification, max_update_size, record, memory)).verdict.memory

        record = rounds[round_number]
        memory = Memory()
        if not is_stateless(defence_of(specification)):
            since = 1 if specification.judged_anew is None else round_number - specification.judged_anew
            memory = await self._history.before(rounds, round_number, leaves, since=since)
        judged = await self._judge(specification, max_update_size, record, memory)
        await self._history.remember(record, judged.verdict.memory)
        before = await remembered(
            self._retrieval, specification, record.start_model, max_bytes=max_update_size
        )
        return await self._complete(specification, record, judged, before)

    async def _judge(
        self, specification: Specification, max_update_size: int, record: CrowdRound, memory: Memory
    ) -> _Judged:
        schema = schema_of(specification)
        begin = await self._retrieval.model(record.start_model, schema, max_bytes=max_update_size)
        network = network_of(specification)
        late = await self._late(record)
        present = {index: update for index, update in record.updates.items() if index not in late}
        found = await gather(self._retrieval, specification, present, start=begin, max_bytes=max_update_size)
        faults = {int(index): fault for index, fault in found.faults.items()}
        if not record.commitments:
            # In the open, whoever is quicker can take a digest: that is no reason to suspend its author.
            faults = {index: fault for index, fault in faults.items() if fault is not Fault.COPIED}
        faults |= {int(index): Fault.UNAVAILABLE for index, word in late.items() if word != UNLISTED}
        defence = defence_of(specification)
        there = sorted(found.models)
        claims = [found.samples[index] for index in there]
        weights = aggregator_of(specification).game_weights(claims)
        verdict = await defence.judge(
            DefenceRound(
                number=record.number,
                network=network,
                samples_key=self._samples_key,
                start=begin,
                members=tuple(
                    Member(
                        index=index,
                        model=found.models[index],
                        position=record.updates[index].position,
                        weight=weight,
                    )
                    for index, weight in zip(there, weights, strict=True)
                ),
                invalid=faults,
                absent=frozenset(record.cohort) - frozenset(record.updates),
                suspended=frozenset(record.suspended_before),
            ),
            memory,
            self._engine,
        )
        rejected = {TrainerIndex(index): word for index, word in verdict.rejected.items()}
        return _Judged(
            network=network,
            begin=begin,
            models=found.models,
            samples=found.samples,
            rejected={**found.rejected, **late, **rejected},
            verdict=verdict,
            weights=dict(zip(there, weights, strict=True)),
        )

    async def _late(self, record: CrowdRound) -> dict[TrainerIndex, str]:
        """Which updates of a round evaluated before could not be had in time.

        They may be there by now, so its report is believed in that, and in nothing else.
        """
        if record.report is None:
            return {}
        try:
            data = await self._retrieval.content(record.report, max_bytes=REPORT_BYTES)
            said = EvaluationReport.decode(data).rejected
        except (FetchError, MalformedReport):
            return {}
        return {
            index: word
            for index, word in said.items()
            if word in UNAVAILABLE | {UNLISTED} and index in record.updates
        }

    async def _complete(
        self, specification: Specification, record: CrowdRound, judged: _Judged, remembers: Weights | None
    ) -> RoundEvaluation:
        """Score and aggregate what the defence let pass."""
        updates = record.updates
        network, begin, models, verdict = judged.network, judged.begin, judged.models, judged.verdict
        members = [index for index in sorted(models) if index in verdict.models]
        posted = dict.fromkeys(sorted(updates), 0) | await self._scores(specification, record, judged)
        counted = Counted(
            start=begin,
            models={index: verdict.models[index] for index in members},
            samples=judged.samples,
            scores=posted,
            memory=remembers,
        )
        aggregate = await aggregated(
            specification, counted, self._private(network, specification, begin, record.number)
        )
        model = encode_model(aggregate.model, record.number, aggregate.memory)
        unmeasured = [index for index in sorted(models) if index not in verdict.losses]
        measured: dict[TrainerIndex, float] = {}
        if specification.reported_samples is not None:
            measured = await self._sampled(specification, network, {i: models[i] for i in unmeasured})
            unmeasured = []
        before, after, *local = await self._measure(
            network,
            {record.start_model: begin, content_id(model): aggregate.model}
            | {updates[i].content: models[i] for i in unmeasured},
            [record.start_model, content_id(model), *(updates[index].content for index in unmeasured)],
        )
        measured |= {index: found.loss for index, found in zip(unmeasured, local, strict=True)}
        measured |= {TrainerIndex(index): loss for index, loss in verdict.losses.items()}
        return RoundEvaluation(
            scores=posted,
            weights=dict(zip(members, aggregate.integers, strict=True)),
            rejected=dict(sorted(judged.rejected.items())),
            validation_loss=dict(sorted(measured.items())),
            evidence={TrainerIndex(i): found for i, found in sorted(verdict.evidence.items())},
            sanctions=intended(verdict),
            model=model,
            examined=frozenset(models),
            memory=None if aggregate.memory is None else encode_memory(aggregate.memory),
            start_loss=before.loss,
            start_accuracy=before.accuracy,
            loss=after.loss,
            accuracy=after.accuracy,
        )

    async def _scores(
        self, specification: Specification, record: CrowdRound, judged: _Judged
    ) -> dict[TrainerIndex, int]:
        """Of everybody in the game: also who is left out of the model is worth what it adds to all of them.

        Early work that is worth something is worth a share more, where the task says so.
        """
        verdict = judged.verdict
        players = [index for index in sorted(judged.models) if index in verdict.scored]
        if not players:
            return {}
        counts = [judged.samples[index] for index in players]
        weights = proportions(aggregator_of(specification).game_weights(counts))
        same_game = weights == proportions([judged.weights[index] for index in players])
        score = score_of(specification)
        values = await score.scores(
            ScoringRound(
                network=judged.network,
                start=judged.begin,
                updates=tuple(verdict.scored[index] for index in players),
                weights=weights,
                samples_key=self._samples_key,
                losses=verdict.coalitions if same_game else {},
            ),
            self._engine,
        )
        early = [
            1.0 + specification.timeliness * record.timeliness(index) if value > 0 else 1.0
            for index, value in zip(players, values, strict=True)
        ]
        return {
            index: quantise(value * verdict.factors.get(index, 1.0) * more)
            for index, value, more in zip(players, values, early, strict=True)
        }

    def _private(
        self, network: Network, specification: Specification, start: Weights, number: int
    ) -> Private:
        async def loss(weights: Weights) -> float:
            return (await self._engine.evaluate(network, weights, self._samples_key)).loss

        async def root() -> Weights:
            job = TrainingJob(
                network=network,
                hyperparameters=hyperparameters_of(specification.training, number),
                start=start,
                samples=SamplesRef(self._samples_key),
                # From the model itself, so that whoever repeats the round trains alike.
                seed=int.from_bytes(start.digest()[:7], "big"),
            )
            return (await self._engine.train(job)).weights

        return Private(loss=loss, root=root)

    async def _sampled(
        self, specification: Specification, network: Network, models: Mapping[TrainerIndex, Weights]
    ) -> dict[TrainerIndex, float]:
        """Losses that are only reported, on the same few samples for all and for whoever repeats the round."""
        wanted = min(specification.reported_samples or 0, self._samples)
        if not wanted:
            return {}
        # data may stand in the order of their classes
        drawn = np.sort(np.random.default_rng(0).permutation(self._samples)[:wanted])
        found = await self._evaluated(network, models, drawn)
        return {index: evaluation.loss for index, evaluation in found.items()}

    async def _measure(
        self, network: Network, models: Mapping[ContentId, Weights], wanted: Sequence[ContentId]
    ) -> list[Evaluation]:
        """Loss and accuracy of each; a model that was measured in the last round is not again."""
        known = {content: self._measured[content] for content in wanted if content in self._measured}
        missing = {content: models[content] for content in wanted if content not in known}
        self._measured = known | await self._evaluated(network, missing)
        return [self._measured[content] for content in wanted]

    async def _evaluated(
        self, network: Network, models: Mapping[_Key, Weights], indices: npt.NDArray[np.int64] | None = None
    ) -> dict[_Key, Evaluation]:
        """Side by side, on those of the samples, or on all."""
        found: dict[_Key, Evaluation] = {}

        async def evaluate(key: _Key) -> None:
            found[key] = await self._engine.evaluate(network, models[key], self._samples_key, indices)

        async with anyio.create_task_group() as group:
            for key in models:
                group.start_soon(evaluate, key)
        return found
