# SPDX-License-Identifier: Apache-2.0
"""The entries that a task's specification names, made with its parameters.

Each raises ``RegistryError`` where there is none of that name, or it cannot take the parameters.
"""

from __future__ import annotations

from typing import Any

from bcfl import registry
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.models.aggregation.aggregator import Aggregator
from bcfl.models.aggregation.server import ServerOptimizer
from bcfl.models.defences.defence import Defence
from bcfl.models.networks.network import Network
from bcfl.models.scoring.game import Score
from bcfl.models.weights import Weights
from bcfl.models.wire.codecs import Codec, Uncompressed
from bcfl.models.wire.packed import Packing

__all__ = (
    "aggregator_of",
    "codec_of",
    "defence_of",
    "network_of",
    "packing_of",
    "score_of",
    "server_optimizer_of",
)


def network_of(specification: Specification) -> Network:
    """What is trained."""
    network: Network = _entry("network", specification.network)
    return network


def score_of(specification: Specification) -> Score:
    """How contributions are valued."""
    score: Score = _entry("score", specification.score)
    return score


def defence_of(specification: Specification) -> Defence:
    """Who is aggregated, paid and sanctioned."""
    defence: Defence = _entry("defence", specification.defence)
    return defence


def aggregator_of(specification: Specification) -> Aggregator:
    """How updates become a model."""
    aggregator: Aggregator = _entry("aggregator", specification.aggregator)
    return aggregator


def server_optimizer_of(specification: Specification) -> ServerOptimizer:
    """How the mean of a round moves the global model."""
    optimizer: ServerOptimizer = _entry("server_optimizer", specification.server_optimizer)
    return optimizer


def codec_of(specification: Specification) -> Codec | None:
    """How updates are packed; None: they are not."""
    codec: Codec | Uncompressed = _entry("codec", specification.codec)
    return None if isinstance(codec, Uncompressed) else codec


def packing_of(specification: Specification, start: Weights) -> Packing | None:
    """How updates that start from that model are packed; None: they are not."""
    codec = codec_of(specification)
    return None if codec is None else Packing(codec=codec, start=start)


def _entry(kind: str, reference: EntryReference) -> Any:  # noqa: ANN401 - an entry of any kind
    return registry.create(kind, reference.name, reference.parameters)
