# SPDX-License-Identifier: Apache-2.0
"""What a round's evaluation is: the same computation for the evaluator that posts it and the auditor that repeats it.

Updates are fetched and checked, those that fail are rejected with the reason; the rest is scored, weighted and folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio

from bcfl import registry
from bcfl.agents.ports import LearningEngine
from bcfl.agents.retrieval import Retrieval, schema_of
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT, quantise
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import UpdateRecord
from bcfl.errors import StorageError
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.weights import proportions
from bcfl.models.errors import MalformedUpdate
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.network import Network
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.weights import Schema, Weights
from bcfl.models.wire.tensors import encode
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import FetchError

__all__ = ("RoundEvaluation", "RoundEvaluator", "encode_model")

NOT_OWNED = "digest_not_owned"
INVALID_SAMPLES = "invalid_samples"
_FETCHES = 16


@dataclass(frozen=True, kw_only=True)
class RoundEvaluation:
    """A round's outcome before it is posted; ``scores`` in 10⁻⁹ units for every revealed member."""

    scores: Mapping[TrainerIndex, int]
    weights: Mapping[TrainerIndex, int]
    rejected: Mapping[TrainerIndex, str]
    validation_loss: Mapping[TrainerIndex, float]
    model: bytes
    start_loss: float
    start_accuracy: float
    loss: float
    accuracy: float


def encode_model(weights: Weights, round_number: int) -> bytes:
    """A global model's bytes: the same for whoever computes them."""
    return encode(weights, {"round": str(round_number)})


class RoundEvaluator:
    """Evaluates rounds on one validation set.

    Args:
        samples_key: names the validation set in the engine.
    """

    def __init__(self, *, engine: LearningEngine, retrieval: Retrieval, samples_key: str) -> None:
        self._engine = engine
        self._retrieval = retrieval
        self._samples_key = samples_key
        self._measured: dict[ContentId, Evaluation] = {}

    async def evaluate(
        self,
        *,
        specification: Specification,
        round_number: int,
        start: ContentId,
        updates: Mapping[TrainerIndex, UpdateRecord],
        max_update_size: int,
    ) -> RoundEvaluation:
        """Score and fold the revealed updates of a round, in index order.

        Raises:
            StorageError: the own store failed, or the start model cannot be had.
        """
        schema = schema_of(specification)
        begin = await self._retrieval.model(start, schema, max_bytes=max_update_size)
        network = registry.create("network", specification.network.name, specification.network.parameters)
        rejected, models, samples = await self._gather(specification, schema, updates, max_update_size)
        members = sorted(models)
        score = registry.create("score", specification.score.name, specification.score.parameters)
        aggregator = registry.create(
            "aggregator", specification.aggregator.name, specification.aggregator.parameters
        )
        counts = [samples[index] for index in members]
        # Weights that follow scores cannot enter the game that makes them: there everyone counts the same.
        prior = aggregator.integer_weights(samples=counts, scores=[1.0] * len(members))
        values: tuple[float, ...] = ()
        if members:
            values = await score.scores(
                ScoringRound(
                    network=network,
                    start=begin,
                    updates=tuple(models[index] for index in members),
                    weights=proportions(prior),
                    samples_key=self._samples_key,
                ),
                self._engine,
            )
        posted = dict.fromkeys(sorted(updates), 0)
        posted.update({index: quantise(value) for index, value in zip(members, values, strict=True)})
        # From the posted integers, so that an auditor gets the same weights from the chain.
        final = [posted[index] / SCORE_UNIT for index in members]
        integers = aggregator.integer_weights(samples=counts, scores=final)
        aggregate = begin
        if any(integers):
            aggregate = fold([models[index] for index in members], integers)
        model = encode_model(aggregate, round_number)
        before, after, *local = await self._measure(
            network,
            {start: begin, content_id(model): aggregate} | {updates[i].content: models[i] for i in members},
            [start, content_id(model), *(updates[index].content for index in members)],
        )
        return RoundEvaluation(
            scores=posted,
            weights=dict(zip(members, integers, strict=True)),
            rejected=rejected,
            validation_loss={index: found.loss for index, found in zip(members, local, strict=True)},
            model=model,
            start_loss=before.loss,
            start_accuracy=before.accuracy,
            loss=after.loss,
            accuracy=after.accuracy,
        )

    async def _measure(
        self, network: Network, models: Mapping[ContentId, Weights], wanted: Sequence[ContentId]
    ) -> list[Evaluation]:
        """Loss and accuracy of each, side by side; a model that was measured in the last round is not again."""
        found = {content: self._measured[content] for content in wanted if content in self._measured}

        async def measure(content: ContentId) -> None:
            found[content] = await self._engine.evaluate(network, models[content], self._samples_key)

        async with anyio.create_task_group() as group:
            for content in dict.fromkeys(wanted):
                if content not in found:
                    group.start_soon(measure, content)
        self._measured = found
        return [found[content] for content in wanted]

    async def _gather(
        self,
        specification: Specification,
        schema: Schema,
        updates: Mapping[TrainerIndex, UpdateRecord],
        max_bytes: int,
    ) -> tuple[dict[TrainerIndex, str], dict[TrainerIndex, Weights], dict[TrainerIndex, int]]:
        """Fetch and check the updates, several at a time: slow ones must not add up to a missed deadline.

        Returns:
            Why each of the rejected is, and models and claimed samples of the others.
        """
        rejected = {index: NOT_OWNED for index, record in updates.items() if not record.owned}
        models: dict[TrainerIndex, Weights] = {}
        samples: dict[TrainerIndex, int] = {}
        failures: list[StorageError] = []
        turns = anyio.CapacityLimiter(_FETCHES)

        async def take(index: TrainerIndex, content: ContentId) -> None:
            async with turns:
                try:
                    weights, metadata = await self._retrieval.update(content, schema, max_bytes=max_bytes)
                except (FetchError, MalformedUpdate) as error:
                    rejected[index] = error.reason
                    return
                except StorageError as error:
                    failures.append(error)  # the own store's fault, nobody else's
                    return
            claimed = _claimed_samples(metadata, specification.sample_limit)
            if claimed is None:
                rejected[index] = INVALID_SAMPLES
                return
            models[index], samples[index] = weights, claimed

        async with anyio.create_task_group() as group:
            for index, record in sorted(updates.items()):
                if record.owned:
                    group.start_soon(take, index, record.content)
        if failures:
            raise failures[0]
        return dict(sorted(rejected.items())), models, samples


def _claimed_samples(metadata: Mapping[str, str], limit: int) -> int | None:
    """The number of samples that an update claims; None where it claims none that is allowed."""
    claimed = metadata.get("samples", "")
    if not (claimed.isascii() and claimed.isdigit() and len(claimed) <= 10):
        return None
    return int(claimed) if 1 <= int(claimed) <= limit else None
