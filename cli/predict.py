# SPDX-License-Identifier: Apache-2.0
"""``bcfl predict RUN``: what the final model says of data."""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from bcfl.cli.loading import loading

if TYPE_CHECKING:
    from bcfl.models.card import ModelCard
    from bcfl.models.data.dataset import Samples
    from bcfl.models.predicting import Answers
    from bcfl.scenarios.directory.run_directory import RunDirectory

__all__ = ("predict",)


@click.command
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="An .npz with x (and y), a picture, a folder of pictures, a text; by default the run's own data to test on.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where the run's own data lie, where no package carries them.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the CSV here instead of printing it.",
)
@click.option("--probabilities", is_flag=True, help="A column for each class with its probability.")
def predict(
    run: Path, data: Path | None, data_dir: Path | None, out: Path | None, probabilities: bool
) -> None:
    """Ask the final model of the run in directory RUN: a CSV with a line a sample, its class and how probable that is."""
    from bcfl.models.errors import DataUnavailable
    from bcfl.models.predicting import answers, samples_of
    from bcfl.scenarios.directory.run_directory import RunDirectory
    from bcfl.scenarios.directory.trained import trained_model

    with loading():
        directory = RunDirectory.open(run)
        card, weights = trained_model(directory)
        if data is None:
            names, samples, known = _own(directory, data_dir)
        else:
            names, samples, known = samples_of(data, card)
        found = answers(card, weights, names, samples, known=known)
    try:
        with nullcontext(sys.stdout) if out is None else out.open("w", encoding="utf-8", newline="") as file:
            _write(found, card, file, every=probabilities)
    except OSError as error:
        if out is None:
            raise
        raise DataUnavailable(
            f"{out} cannot be written ({error.strerror}); give another file with --out."
        ) from error
    if found.performance is not None:
        told = found.performance
        click.echo(f"{told.samples:,} samples: accuracy {told.accuracy:.2%}, loss {told.loss:.4f}", err=True)


def _own(directory: RunDirectory, data_dir: Path | None) -> tuple[tuple[str, ...], Samples, bool]:
    """What the run kept to test on."""
    from bcfl.scenarios.planning.plan import dataset_source

    record = directory.chain() if directory.chain_file.is_file() else {}
    dataset = dataset_source(directory.scenario(), record.get("started_in")).load(data_dir)
    return tuple(map(str, range(len(dataset.test)))), dataset.test, True


def _write(found: Answers, card: ModelCard, file: TextIO, *, every: bool) -> None:
    writer = csv.writer(file)
    writer.writerow(["sample", "class", "probability", *(card.labels if every else ())])
    for name, row in zip(found.names, found.probabilities, strict=True):
        best = int(row.argmax())
        label = card.labels[best] if best < len(card.labels) else str(best)
        rest = [f"{one:.6f}" for one in row[: len(card.labels)]] if every else []
        writer.writerow([name, label, f"{row[best]:.6f}", *rest])
