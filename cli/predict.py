# SPDX-License-Identifier: Apache-2.0
"""``bcfl predict RUN``: what the final model says of data."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from bcfl.cli.loading import loading
from bcfl.cli.output import written

if TYPE_CHECKING:
    from bcfl.models.card import ModelCard
    from bcfl.models.predicting import Question
    from bcfl.models.weights import Weights
    from bcfl.scenarios.directory.run_directory import RunDirectory

__all__ = ("predict",)


@click.command
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A table, an .npz with x (and y), a picture, a folder of pictures, a text; by default the run's own data to test on.",
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
    from bcfl.models.predicting import question_of
    from bcfl.scenarios.directory.run_directory import RunDirectory
    from bcfl.scenarios.directory.trained import trained_model

    with loading():
        directory = RunDirectory.open(run)
        card, weights = trained_model(directory)
        question = _own(directory, card, data_dir) if data is None else question_of(data, card)
    if out is None:
        told = _write(card, weights, question, sys.stdout, every=probabilities)
    else:
        with written(out, "--out"), out.open("w", encoding="utf-8", newline="") as file:
            told = _write(card, weights, question, file, every=probabilities)
    if question.known:
        click.echo(told, err=True)


def _own(directory: RunDirectory, card: ModelCard, data_dir: Path | None) -> Question:
    """What the run kept to test on."""
    from bcfl.models.predicting import Question, checked, range_names
    from bcfl.scenarios.planning.plan import dataset_source

    record = directory.chain() if directory.chain_file.is_file() else {}
    samples = dataset_source(directory.scenario(), record.get("started_in")).load(data_dir).test
    checked(samples, card, "the run's own data")
    return Question(names=range_names(len(samples)), samples=samples, known=True)


def _write(card: ModelCard, weights: Weights, question: Question, file: TextIO, *, every: bool) -> str:
    """The lines, sample by sample; accuracy and loss in words."""
    import numpy as np

    from bcfl.models.predicting import answers

    writer = csv.writer(file)
    writer.writerow(["sample", "class", "probability", *(card.labels if every else ())])
    at, right, loss = 0, 0, 0.0
    for rows in answers(card, weights, question):
        targets = question.samples.targets[at : at + len(rows)]
        best = rows.argmax(axis=1)
        right += int((best == targets).sum())
        loss -= float(np.log(np.maximum(rows[np.arange(len(rows)), targets], 1e-300)).sum())
        for name, row, chosen in zip(question.names[at : at + len(rows)], rows, best, strict=True):
            rest = [f"{one:.6f}" for one in row] if every else []
            writer.writerow([name, card.labels[chosen], f"{row[chosen]:.6f}", *rest])
        at += len(rows)
    return f"{at:,} samples: accuracy {right / at:.2%}, loss {loss / at:.4f}"
