# SPDX-License-Identifier: Apache-2.0
"""From a round's updates and posted scores to its model: one function for whoever makes it and whoever repeats it.

A rule that asks for what only the evaluator has, its validation loss or a model trained on its samples, cannot be
repeated by others. ``outcomes`` are all that it can have come to, where these are few, and ``possible`` says of one
outcome whether it is among them, where the rule can tell.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread

from bcfl.agents.common.entries import aggregator_of, server_optimizer_of
from bcfl.agents.common.retrieval import Retrieval, schema_of
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import Specification
from bcfl.errors import ContractError, ModelError
from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound, Doubted
from bcfl.models.aggregation.server import memory_schema
from bcfl.models.declared import compares_once
from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import encode
from bcfl.storage.content_id import content_id

__all__ = (
    "NOBODYS",
    "Counted",
    "Private",
    "Unrepeatable",
    "aggregated",
    "encode_memory",
    "encode_model",
    "memory_named",
    "outcomes",
    "possible",
    "remembered",
)

_MEMORY = "server_memory"
_MEMORY_BYTES = "server_memory_bytes"
_HEADER_BYTES = 1 << 16


class Unrepeatable(ModelError):
    """The aggregator asks for what only the evaluator has."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """What goes into a round's model; all mappings have the same indices.

    Attributes:
        start: the model that the round began with.
        models: the updates as the defence let them pass.
        samples: what their trainers claim.
        scores: as posted, 10⁻⁹ units: from the integers, so that whoever repeats the round gets the same weights.
        memory: the server optimiser's, as ``remembered`` finds it.
    """

    start: Weights
    models: Mapping[TrainerIndex, Weights]
    samples: Mapping[TrainerIndex, int]
    scores: Mapping[TrainerIndex, int]
    memory: Weights | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Private:
    """What a rule may ask of the evaluator's own samples: a model's mean loss, and a model trained on them."""

    loss: Callable[[Weights], Awaitable[float]]
    root: Callable[[], Awaitable[Weights]]


async def aggregated(specification: Specification, counted: Counted, private: Private) -> Aggregate:
    """The next model, the integer weights in index order, and what the server optimiser remembers.

    Raises:
        RegistryError: the specification's aggregator or server optimiser is not known.
        ModelError: it cannot work with these updates.
        Unrepeatable: it asks for what ``private`` refuses.
    """
    mean = await aggregator_of(specification).aggregate(_made(counted, private))
    if not any(mean.integers):
        return dataclasses.replace(mean, memory=counted.memory)  # nothing counted: no step
    optimizer = server_optimizer_of(specification)
    model, memory = await anyio.to_thread.run_sync(optimizer.step, counted.start, mean.model, counted.memory)
    return dataclasses.replace(mean, model=model, memory=memory)


async def remembered(
    retrieval: Retrieval, specification: Specification, model: ContentId, *, max_bytes: int
) -> Weights | None:
    """What the server optimiser remembers at a model: its metadata name the content, so that who has agreed on the model has on this.

    Raises:
        StorageError: the model or the content cannot be had.
        MalformedUpdate: it is none.
    """
    optimizer = server_optimizer_of(specification)
    if not optimizer.memories:
        return None
    content = await memory_named(retrieval, specification, model, max_bytes=max_bytes)
    if content is None:
        return None
    wanted = memory_schema(optimizer, schema_of(specification))
    memory, _ = await retrieval.update(content, wanted, max_bytes=4 * wanted.size + _HEADER_BYTES)
    return memory


async def memory_named(
    retrieval: Retrieval, specification: Specification, model: ContentId, *, max_bytes: int
) -> ContentId | None:
    """The content that a model's metadata name as what the server optimiser remembers; None: there is none. Raises as ``remembered``."""
    _, metadata = await retrieval.update(model, schema_of(specification), max_bytes=max_bytes)
    if _MEMORY not in metadata:
        return None
    try:
        return ContentId(bytes.fromhex(metadata[_MEMORY]), int(metadata[_MEMORY_BYTES]))
    except (LookupError, ValueError, ContractError) as error:
        raise MalformedUpdate(reason="metadata") from error


async def outcomes(specification: Specification, counted: Counted) -> tuple[Aggregate, ...]:
    """All that the rule can come to, whatever the evaluator's samples are; empty where nobody else can tell.

    Raises:
        RegistryError: the specification's aggregator is not known.
    """
    # A rule that asks once which of two models is better has two outcomes: the first is, or the second.
    answers: Sequence[Sequence[float]] = [()]
    if compares_once(aggregator_of(specification)):
        answers = [(0.0, 1.0), (1.0, 0.0)]
    try:
        return tuple([await aggregated(specification, counted, _answering(losses)) for losses in answers])
    except ModelError:
        return ()


def possible(specification: Specification, counted: Counted, aggregate: Aggregate) -> bool:
    """Whether a rule that cannot be repeated can have come to this; of one that does not say, yes.

    Raises:
        RegistryError: the specification's aggregator is not known.
    """
    rule = aggregator_of(specification)
    if server_optimizer_of(specification).memories:
        return True  # what was posted is not what the rule made
    return not isinstance(rule, Doubted) or rule.possible(aggregate, _made(counted, NOBODYS))


def _made(counted: Counted, private: Private) -> AggregationRound:
    members = sorted(counted.models)
    return AggregationRound(
        start=counted.start,
        updates=tuple(counted.models[index] for index in members),
        samples=tuple(counted.samples[index] for index in members),
        scores=tuple(counted.scores[index] / SCORE_UNIT for index in members),
        loss=private.loss,
        root=private.root,
    )


def _answering(losses: Sequence[float]) -> Private:
    """Answers questions for a loss with these in turn, and no other question."""
    left = itertools.chain(losses)

    async def loss(_: Weights) -> float:
        for answer in left:
            return answer
        raise Unrepeatable("The aggregator asks for a loss on the evaluator's samples.")

    async def root() -> Weights:
        raise Unrepeatable("The aggregator asks for a model trained on the evaluator's samples.")

    return Private(loss=loss, root=root)


NOBODYS = _answering(())
"""Where there are no samples in common."""


def encode_model(weights: Weights, round_number: int, memory: Weights | None = None) -> bytes:
    """A global model's bytes, the same for whoever computes them; they name what the server optimiser remembers."""
    metadata = {"round": str(round_number)}
    if memory is not None:
        content = content_id(encode_memory(memory))
        metadata |= {_MEMORY: content.digest.hex(), _MEMORY_BYTES: str(content.size)}
    return encode(weights, metadata)


def encode_memory(memory: Weights) -> bytes:
    """The bytes of what a server optimiser remembers."""
    return encode(memory, {})
