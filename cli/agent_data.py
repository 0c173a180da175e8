# SPDX-License-Identifier: Apache-2.0
"""Somebody's own data, from the words of a command line to samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bcfl.models.data.dataset import Dataset, Samples

__all__ = ("own_dataset", "own_samples")

_FILES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".npz": "npz"}


def own_samples(
    source: str, parameters: Sequence[str], part: str, *, chosen: str | None, data_dir: Path | None
) -> Samples:
    """The samples of a file or of a named data set, with classes by their numbers where they are numbers.

    Args:
        source: a file, a folder of images, or a data set's name.
        parameters: ``KEY=VALUE`` each.
        part: which part of it, where that is a question.
        chosen: what the person said of the part, if anything.
        data_dir: where data lie that no package carries.

    Raises:
        ModelError: it cannot be had, or cannot be taken.
        click.UsageError: it is neither a file nor a data set.
    """
    from bcfl.agents.hosting.own_samples import by_number, joined

    dataset, table = own_dataset(source, parameters, data_dir)
    for note in dataset.notes:
        click.echo(f"note: {note}", err=True)
    if chosen is None and table:
        part = "all"  # whoever brings a table of their own means its rows
    samples = {
        "all": lambda: joined(dataset.train, dataset.test),
        "train": lambda: dataset.train,
        "test": lambda: dataset.test,
    }[part]()
    return by_number(samples, dataset.class_names)


def own_dataset(source: str, parameters: Sequence[str], data_dir: Path | None) -> tuple[Dataset, bool]:
    """The data set, and whether it is a table of one's own."""
    from bcfl import registry
    from bcfl.cli.loading import loading
    from bcfl.models import entries  # noqa: F401 - registers what there is
    from bcfl.scenarios.definition.loading import parameter

    given: dict[str, Any] = dict(map(parameter, parameters))
    path = Path(source).expanduser()
    kind = _FILES.get(path.suffix.lower()) if path.is_file() else "images" if path.is_dir() else None
    if kind is not None:
        given = {"path": str(path.absolute()), **given}
    elif "/" in source or path.suffix:
        raise click.UsageError(
            f"There is no file {source} of a kind that is read: a .csv, .parquet or .npz, or a folder of images."
        )
    with loading():
        dataset: Dataset = registry.create("dataset", kind or source, given).load(data_dir)
    return dataset, kind in {"csv", "parquet"}
