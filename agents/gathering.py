# SPDX-License-Identifier: Apache-2.0
"""A round's revealed updates, fetched and checked: the models that can be used, and why each of the others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from bcfl.agents.retrieval import Retrieval, schema_of
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import UpdateRecord
from bcfl.errors import StorageError
from bcfl.models.defences.defence import Fault
from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.storage.errors import ContentNotFound, FetchError, FetchTimedOut

__all__ = ("INVALID_SAMPLES", "NOT_OWNED", "UNAVAILABLE", "Gathered", "gather")

NOT_OWNED = "digest_not_owned"
INVALID_SAMPLES = "invalid_samples"
UNAVAILABLE = frozenset({ContentNotFound.reason, FetchTimedOut.reason})
"""Why a content was rejected that may be there later."""
_FETCHES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """By index: models and claimed samples of the valid updates, and of the others why, as a word and as a fault."""

    models: Mapping[TrainerIndex, Weights]
    samples: Mapping[TrainerIndex, int]
    rejected: Mapping[TrainerIndex, str]
    faults: Mapping[TrainerIndex, Fault]


async def gather(
    retrieval: Retrieval,
    specification: Specification,
    updates: Mapping[TrainerIndex, UpdateRecord],
    *,
    max_bytes: int,
) -> Gathered:
    """Fetch and check the updates, several at a time: slow ones must not add up to a missed deadline.

    Raises:
        StorageError: the own store failed, which is nobody else's fault.
    """
    schema = schema_of(specification)
    rejected = {index: NOT_OWNED for index, record in updates.items() if not record.owned}
    faults = dict.fromkeys(rejected, Fault.COPIED)
    models: dict[TrainerIndex, Weights] = {}
    samples: dict[TrainerIndex, int] = {}
    failures: list[StorageError] = []
    turns = anyio.CapacityLimiter(_FETCHES)

    async def take(index: TrainerIndex, content: ContentId) -> None:
        async with turns:
            try:
                weights, metadata = await retrieval.update(content, schema, max_bytes=max_bytes)
            except (FetchError, MalformedUpdate) as error:
                rejected[index] = error.reason
                faults[index] = Fault.UNAVAILABLE if error.reason in UNAVAILABLE else Fault.INVALID
                return
            except StorageError as error:
                failures.append(error)
                return
        claimed = _claimed_samples(metadata, specification.sample_limit)
        if claimed is None:
            rejected[index] = INVALID_SAMPLES
            faults[index] = Fault.INVALID
            return
        models[index], samples[index] = weights, claimed

    async with anyio.create_task_group() as group:
        for index, record in sorted(updates.items()):
            if record.owned:
                group.start_soon(take, index, record.content)
    if failures:
        raise failures[0]
    return Gathered(models=models, samples=samples, rejected=rejected, faults=faults)


def _claimed_samples(metadata: Mapping[str, str], limit: int) -> int | None:
    """The number of samples that an update claims; None where it claims none that is allowed."""
    claimed = metadata.get("samples", "")
    if not (claimed.isascii() and claimed.isdigit() and len(claimed) <= 10):
        return None
    return int(claimed) if 1 <= int(claimed) <= limit else None
