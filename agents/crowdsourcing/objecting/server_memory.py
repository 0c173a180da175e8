# SPDX-License-Identifier: Apache-2.0
"""Whether anybody could go on from what a model says that the server optimiser remembers."""

from __future__ import annotations

from bcfl.agents.common.entries import server_optimizer_of
from bcfl.agents.common.folding import remembered
from bcfl.agents.common.retrieval import Retrieval, schema_of
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.ids import ContentId
from bcfl.contracts.specification import Specification
from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.storage.errors import FetchError

__all__ = ("memory_unsound",)


async def memory_unsound(
    retrieval: Retrieval,
    specification: Specification,
    record: CrowdRound,
    named: tuple[ContentId, Weights],
    *,
    max_bytes: int,
) -> str | None:
    """Why nobody could, None where all is well; it is looked at before anybody does.

    Args:
        retrieval: fetches contents.
        specification: of the task.
        record: of the round that the model is of.
        named: the model, by its id and as it is.
        max_bytes: of a model.

    Raises:
        StorageError: the own store failed, or the round's start model cannot be had.
        MalformedUpdate: the start model is none.
        RegistryError: the task's server optimiser is not known.
    """
    optimizer = server_optimizer_of(specification)
    if not optimizer.memories:
        return None
    name, model = named
    try:
        after = await remembered(retrieval, specification, name, max_bytes=max_bytes)
    except FetchError:
        return "model_unavailable"
    except MalformedUpdate:
        return "model_malformed"
    start = await retrieval.model(record.start_model, schema_of(specification), max_bytes=max_bytes)
    try:
        before = await remembered(retrieval, specification, record.start_model, max_bytes=max_bytes)
    except (FetchError, MalformedUpdate):
        return None  # it was there when the round before was examined: what else can be checked is
    if model.digest() == start.digest() and _same(before, after):
        return None  # nothing counted, and nothing moved
    return None if optimizer.follows(start, model, before, after) else "model_mismatch"


def _same(one: Weights | None, other: Weights | None) -> bool:
    return one is other or (one is not None and other is not None and one.digest() == other.digest())
