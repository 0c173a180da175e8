# SPDX-License-Identifier: Apache-2.0
"""What a consortium's member computes of a round: how it scores the others on its own data, and the next model.

Scores come from data that nobody else has, so they differ between members and the contract settles them. The
model comes from public numbers alone, so every member gets the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.agents.common.entries import aggregator_of, network_of, score_of
from bcfl.agents.common.folding import NOBODYS, Counted, aggregated, encode_memory, encode_model, remembered
from bcfl.agents.common.gathering import NOT_OWNED, UNAVAILABLE, Gathered, gather
from bcfl.agents.common.retrieval import Retrieval, schema_of
from bcfl.agents.errors import UpdateUnavailable
from bcfl.agents.runtime.ports import LearningEngine
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT, quantise
from bcfl.contracts.specification import Specification
from bcfl.models.aggregation.weights import proportions
from bcfl.models.data.dataset import Samples
from bcfl.models.declared import vocabulary
from bcfl.models.defences.novelty import copies_by_digest
from bcfl.models.networks.network import Network
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.training.job import SamplesRef
from bcfl.models.weights import Weights
from bcfl.storage.content_id import content_id

__all__ = ("PROBE_SAMPLES", "JointModel", "MemberRounds", "Verdicts", "counted", "public_before")

PROBE_SAMPLES = 64


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What one member thinks of a round's updates, on its own samples.

    Attributes:
        scores: 10⁻⁹ units, of every target, its own among them.
        probe: 32 bytes that only who has run every update can know; the same for all members.
        rejected: why an update could not be used.
        loss: the mean loss of the round's start model.
        accuracy: the same model's accuracy.
    """

    scores: Mapping[TrainerIndex, int]
    probe: bytes
    rejected: Mapping[TrainerIndex, str]
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class JointModel:
    """The next model's bytes, those of what the server optimiser remembers, and the integer weight of each update in it."""

    model: bytes
    memory: bytes | None
    weights: Mapping[TrainerIndex, int]


def counted(record: ConsortiumRound) -> tuple[TrainerIndex, ...]:
    """Whose updates make the next model: whoever the settlement found useful, or all if it found nobody."""
    useful = tuple(index for index in record.targets if record.scores.get(index, 0) > 0)
    return useful or record.targets


def public_before(state: ConsortiumState, number: int) -> frozenset[bytes]:
    """Digests of all that was public when a round's updates were opened: earlier ones, and every global model."""
    models = frozenset(r.start_model.digest for r in state.rounds.values() if r.number <= number)
    earlier = (record for record in state.rounds.values() if record.number < number)
    return models | frozenset(
        update.content.digest for record in earlier for update in record.updates.values()
    )


class MemberRounds:
    """Judges and aggregates the rounds of one task for one member.

    Args:
        held_out: names the member's own samples to judge on, in the engine.
    """

    def __init__(self, *, engine: LearningEngine, retrieval: Retrieval, held_out: str) -> None:
        self._engine = engine
        self._retrieval = retrieval
        self._held_out = held_out

    async def judge(
        self,
        *,
        specification: Specification,
        record: ConsortiumRound,
        max_update_size: int,
        public: frozenset[bytes],
    ) -> Verdicts:
        """Score every target of a round; what cannot be used, and what is somebody else's, is worth nothing.

        Args:
            specification: what is trained and how it is scored.
            record: the round, its updates opened.
            max_update_size: of one update in bytes.
            public: digests of the contents that were public before the round.

        Raises:
            StorageError: the own store failed, or the start model cannot be had.
        """
        begin = await self._start(specification, record, max_update_size)
        network = network_of(specification)
        found = await self._gather(specification, record, record.targets, max_update_size)
        copies = _copies(record, found, begin, public)
        members = sorted(found.models.keys() - copies)
        scores = dict.fromkeys(record.targets, 0)
        if members:
            score = score_of(specification)
            counts = [found.samples[index] for index in members]
            made = ScoringRound(
                network=network,
                start=begin,
                updates=tuple(found.models[index] for index in members),
                weights=proportions(aggregator_of(specification).game_weights(counts)),
                samples_key=self._held_out,
            )
            values = await score.scores(made, self._engine)
            scores |= {index: quantise(value) for index, value in zip(members, values, strict=True)}
        own = await self._engine.evaluate(network, begin, self._held_out)
        return Verdicts(
            scores=scores,
            probe=await self._probe(network, record, found.models),
            rejected={**found.rejected, **dict.fromkeys(copies, NOT_OWNED)},
            loss=own.loss,
            accuracy=own.accuracy,
        )

    async def contradicted(
        self, *, specification: Specification, record: ConsortiumRound, max_update_size: int
    ) -> ContentId | None:
        """The model that the updates give, where another one was agreed on; a model that was kept needs none.

        Raises:
            UpdateUnavailable, StorageError: as ``aggregate``.
        """
        if record.model is None or record.model not in record.model_votes.values():
            return None
        joint = await self.aggregate(
            specification=specification, record=record, max_update_size=max_update_size
        )
        found = content_id(joint.model)
        return None if found == record.model else found

    async def aggregate(
        self, *, specification: Specification, record: ConsortiumRound, max_update_size: int
    ) -> JointModel:
        """The next model, from the revealed updates and the settled scores: the same bytes for every member.

        Raises:
            UpdateUnavailable: an update that counts cannot be had here.
            StorageError: the own store failed, or the start model cannot be had.
        """
        begin = await self._start(specification, record, max_update_size)
        wanted = counted(record)
        found = await self._gather(specification, record, wanted, max_update_size)
        missing = [index for index in wanted if found.rejected.get(index) in UNAVAILABLE]
        if missing and record.scores:
            # Most members have scored it, so they have it, and a model without it would be another one.
            raise UpdateUnavailable(f"The updates of members {missing} count in round {record.number}.")
        members = sorted(found.models)
        counted_in = Counted(
            start=begin,
            models=found.models,
            samples=found.samples,
            scores={index: record.scores.get(index, SCORE_UNIT) for index in members},
            memory=await remembered(
                self._retrieval, specification, record.start_model, max_bytes=max_update_size
            ),
        )
        aggregate = await aggregated(specification, counted_in, NOBODYS)
        return JointModel(
            model=encode_model(aggregate.model, record.number, aggregate.memory),
            memory=None if aggregate.memory is None else encode_memory(aggregate.memory),
            weights=dict(zip(members, aggregate.integers, strict=True)),
        )

    async def probe(
        self, *, specification: Specification, record: ConsortiumRound, max_update_size: int
    ) -> bytes:
        """The probe digest alone; raises as ``judge``."""
        found = await self._gather(specification, record, record.targets, max_update_size)
        return await self._probe(network_of(specification), record, found.models)

    async def _probe(
        self, network: Network, record: ConsortiumRound, models: Mapping[TrainerIndex, Weights]
    ) -> bytes:
        """sha256 over each usable update's index and its answers to samples that the round's start model seeds."""
        seed = hashlib.sha256(record.start_model.digest + record.number.to_bytes(4, "big")).digest()
        one = self._engine.samples(SamplesRef(self._held_out, np.zeros(1, dtype=np.int64)))
        shape = (PROBE_SAMPLES, *one.inputs.shape[1:])
        drawn = np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))
        tokens = vocabulary(network)
        inputs = (
            drawn.standard_normal(shape, dtype=np.float32)
            if tokens is None
            else drawn.integers(tokens, size=shape)
        )
        digest = hashlib.sha256(seed)
        members = sorted(models)
        outputs = await self._engine.outputs(
            network,
            [models[index] for index in members],
            Samples(inputs=inputs, targets=np.zeros(PROBE_SAMPLES, dtype=np.int64), tokens=one.tokens),
        )
        for index, logits in zip(members, outputs, strict=True):
            digest.update(index.to_bytes(4, "big"))
            digest.update(np.argmax(logits, axis=1).astype(np.uint8).tobytes())
        return digest.digest()

    async def _start(
        self, specification: Specification, record: ConsortiumRound, max_update_size: int
    ) -> Weights:
        schema = schema_of(specification)
        return await self._retrieval.model(record.start_model, schema, max_bytes=max_update_size)

    async def _gather(
        self,
        specification: Specification,
        record: ConsortiumRound,
        wanted: Sequence[TrainerIndex],
        max_update_size: int,
    ) -> Gathered:
        updates = {index: record.updates[index] for index in wanted}
        start = await self._start(specification, record, max_update_size)
        return await gather(self._retrieval, specification, updates, start=start, max_bytes=max_update_size)


def _copies(
    record: ConsortiumRound, found: Gathered, start: Weights, public: frozenset[bytes]
) -> frozenset[TrainerIndex]:
    """Whose update was public before, or was committed to by somebody else first, by its bytes or by its numbers.

    The contract says so too where it keeps digests; here their majority decides it, which costs no gas.
    """
    positions = {index: update.position for index, update in record.updates.items()}
    contents = {index: update.content.digest for index, update in record.updates.items()}
    numbers = {index: model.digest() for index, model in found.models.items()}
    return copies_by_digest(contents, positions, public) | copies_by_digest(
        numbers, positions, frozenset({start.digest()})
    )
