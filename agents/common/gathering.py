# SPDX-License-Identifier: Apache-2.0
"""A round's revealed updates, fetched and checked: the models that can be used, and why each of the others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import anyio

from bcfl.agents.common.entries import packing_of
from bcfl.agents.common.retrieval import Retrieval, schema_of
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import UpdateRecord
from bcfl.errors import StorageError
from bcfl.models.defences.defence import Fault
from bcfl.models.errors import MalformedReason, MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.storage.errors import (
    ContentNotFound,
    ContentOverlong,
    ContentOversize,
    ContentTruncated,
    FetchError,
    FetchTimedOut,
    WrongDigest,
)

__all__ = (
    "FETCHES",
    "INVALID_SAMPLES",
    "INVALID_WORDS",
    "NOT_OWNED",
    "UNAVAILABLE",
    "UNLISTED",
    "UNPROVEN",
    "Fetched",
    "Gathered",
    "claimed_samples",
    "fetched",
    "gather",
)

NOT_OWNED = "digest_not_owned"
INVALID_SAMPLES = "invalid_samples"
UNLISTED = "unlisted"
"""Why an update was rejected whose opening is in a rooter's list that cannot be had, or is wrong: no fault of its member's."""
UNAVAILABLE = frozenset({ContentNotFound.reason, FetchTimedOut.reason})
"""Why a content was rejected that may be there later."""
INVALID_WORDS = frozenset(
    {
        INVALID_SAMPLES,
        ContentOversize.reason,
        ContentTruncated.reason,
        ContentOverlong.reason,
        WrongDigest.reason,
        *get_args(MalformedReason),
    }
)
"""Why an update was rejected that is no update."""
UNPROVEN = UNAVAILABLE | {UNLISTED, ContentTruncated.reason, ContentOverlong.reason, WrongDigest.reason}
"""Why an update was rejected that may be sound: a store can have been slow, or have answered with other bytes."""
FETCHES = 16
"""At the same time."""

Fetched = tuple[Weights, Mapping[str, str]] | FetchError | MalformedUpdate
"""An update and its metadata, or why there is none."""


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
    start: Weights,
    max_bytes: int,
) -> Gathered:
    """Fetch and check the updates, which start from that model.

    Raises:
        StorageError: the own store failed, which is nobody else's fault.
    """
    rejected = {index: NOT_OWNED for index, record in updates.items() if not record.owned}
    faults = dict.fromkeys(rejected, Fault.COPIED)
    rejected |= {index: UNLISTED for index, record in updates.items() if not record.known}
    models: dict[TrainerIndex, Weights] = {}
    samples: dict[TrainerIndex, int] = {}
    wanted = {index: record.content for index, record in updates.items() if index not in rejected}
    contents = await fetched(retrieval, specification, wanted, start=start, max_bytes=max_bytes)
    for index, found in contents.items():
        if isinstance(found, FetchError | MalformedUpdate):
            rejected[index] = found.reason
            faults[index] = Fault.UNAVAILABLE if found.reason in UNAVAILABLE else Fault.INVALID
            continue
        weights, metadata = found
        claimed = claimed_samples(metadata, specification.sample_limit)
        if claimed is None:
            rejected[index] = INVALID_SAMPLES
            faults[index] = Fault.INVALID
            continue
        models[index], samples[index] = weights, claimed
    return Gathered(models=models, samples=samples, rejected=rejected, faults=faults)


async def fetched(
    retrieval: Retrieval,
    specification: Specification,
    contents: Mapping[TrainerIndex, ContentId],
    *,
    start: Weights,
    max_bytes: int,
) -> dict[TrainerIndex, Fetched]:
    """The updates, several at a time: slow ones must not add up to a missed deadline.

    Raises:
        StorageError: the own store failed.
    """
    schema, packing = schema_of(specification), packing_of(specification, start)
    found: dict[TrainerIndex, Fetched] = {}
    failures: list[StorageError] = []
    turns = anyio.CapacityLimiter(FETCHES)

    async def take(index: TrainerIndex, content: ContentId) -> None:
        async with turns:
            try:
                found[index] = await retrieval.update(content, schema, max_bytes=max_bytes, packing=packing)
            except (FetchError, MalformedUpdate) as error:
                found[index] = error
            except StorageError as error:
                failures.append(error)

    async with anyio.create_task_group() as group:
        for index, content in sorted(contents.items()):
            group.start_soon(take, index, content)
    if failures:
        raise failures[0]
    return found


def claimed_samples(metadata: Mapping[str, str], limit: int) -> int | None:
    """The number of samples that an update claims; None where it claims none that is allowed."""
    claimed = metadata.get("samples", "")
    if not (claimed.isascii() and claimed.isdigit() and len(claimed) <= 10):
        return None
    return int(claimed) if 1 <= int(claimed) <= limit else None
