# SPDX-License-Identifier: Apache-2.0
"""What data sets there are and whether they are on this machine, for the command that lists and fetches them."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.models.data.cache import cache_file
from bcfl.models.data.dataset import Dataset
from bcfl.registry import create, entries

__all__ = ("AvailableDataset", "available", "fetch")

_DOWNLOADED = frozenset({"heart_disease", "mnist", "shakespeare"})


@dataclass(frozen=True, kw_only=True)
class AvailableDataset:
    """One registered data set. ``cached`` is None for those that are made or read from the user's files."""

    name: str
    summary: str
    cached: bool | None


def available() -> tuple[AvailableDataset, ...]:
    """Every registered data set, by name."""
    return tuple(
        AvailableDataset(
            name=entry.name,
            summary=entry.summary,
            cached=cache_file(entry.name).is_file() if entry.name in _DOWNLOADED else None,
        )
        for entry in entries("dataset")
    )


def fetch(name: str) -> Dataset:
    """Load a data set with its default parameters, which downloads it into the cache where it is missing.

    Raises:
        UnknownEntry: there is no data set of that name.
        InvalidParameters: it is one of the user's own files and needs a path.
        DataUnavailable: it could not be downloaded.
    """
    dataset: Dataset = create("dataset", name).load(None)
    return dataset
