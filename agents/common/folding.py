# SPDX-License-Identifier: Apache-2.0
"""From a round's updates and posted scores to its model: one function for whoever makes it and whoever repeats it.

A rule that asks for what only the evaluator has, its validation loss or a model trained on its samples, cannot be
repeated by others. ``outcomes`` are all that it can have come to, where these are few, and ``possible`` says of one
outcome whether it is among them, where the rule can tell.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bcfl.agents.common.entries import aggregator_of
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import Specification
from bcfl.errors import ModelError
from bcfl.models.aggregation.aggregator import Aggregate, AggregationRound, Doubted
from bcfl.models.declared import compares_once
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import encode

__all__ = (
    "NOBODYS",
    "Counted",
    "Private",
    "Unrepeatable",
    "aggregated",
    "encode_model",
    "outcomes",
    "possible",
)


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
    """

    start: Weights
    models: Mapping[TrainerIndex, Weights]
    samples: Mapping[TrainerIndex, int]
    scores: Mapping[TrainerIndex, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Private:
    """What a rule may ask of the evaluator's own samples: a model's mean loss, and a model trained on them."""

    loss: Callable[[Weights], Awaitable[float]]
    root: Callable[[], Awaitable[Weights]]


async def aggregated(specification: Specification, counted: Counted, private: Private) -> Aggregate:
    """The next model and the integer weights, in index order.

    Raises:
        RegistryError: the specification's aggregator is not known.
        ModelError: it cannot work with these updates.
        Unrepeatable: it asks for what ``private`` refuses.
    """
    return await aggregator_of(specification).aggregate(_made(counted, private))


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


def encode_model(weights: Weights, round_number: int) -> bytes:
    """A global model's bytes: the same for whoever computes them."""
    return encode(weights, {"round": str(round_number)})
