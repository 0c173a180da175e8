# SPDX-License-Identifier: Apache-2.0
"""``bcfl data show NAME|FILE``: who has how many samples of what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.loading import loading
from bcfl.cli.output import written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bcfl.models.data.dataset import Dataset
    from bcfl.models.data.statistics import Statistics

__all__ = ("show",)


@click.command
@click.argument("name")
@click.option(
    "--set",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of the data set, or a key of the scenario.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data lie that no package carries.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw it too: a file that ends in .png, .svg or .pdf.",
)
def show(name: str, parameters: tuple[str, ...], data_dir: Path | None, picture: Path | None) -> None:
    """Print what data set NAME holds, and what each of its owners has of it.

    With a scenario's FILE (.yaml) in the place of NAME: what each of its trainers has.
    """
    from bcfl.views.data.federation import federation_figure, federation_lines

    if picture is not None and picture.suffix not in {".png", ".svg", ".pdf"}:
        raise click.BadParameter(f"{picture} must end in .png, .svg or .pdf.", param_hint="'--picture'")
    with loading():
        if name.endswith((".yaml", ".yml")):
            dataset, found, kind = _of_scenario(Path(name), parameters, data_dir)
        else:
            dataset, found, kind = _of_dataset(name, parameters, data_dir)
    for line in _about(dataset):
        click.echo(line)
    labels = dataset.labels(dataset.classes)
    for line in federation_lines(found, kind, labels):
        click.echo(line)
    if picture is not None:
        with written(picture, "--picture"):
            _draw(federation_figure(found, kind, labels), picture)
        click.echo(f"picture: {picture}")


def _of_dataset(
    name: str, parameters: tuple[str, ...], data_dir: Path | None
) -> tuple[Dataset, Statistics, str]:
    """What its owners have; where it has none, all of it as one part."""
    import numpy as np

    from bcfl.models.data.soundness import check_dataset
    from bcfl.models.data.statistics import by_owner, statistics
    from bcfl.registry import create
    from bcfl.scenarios.definition.loading import parameter

    given = dict(parameter(text) for text in parameters)
    dataset: Dataset = create("dataset", name, given).load(data_dir)
    check_dataset(dataset)
    owned = by_owner(dataset)
    if owned is not None:
        return dataset, owned, "owners"
    whole = [np.arange(len(dataset.train))]
    return dataset, statistics(dataset.train, whole, [dataset.name], dataset.classes), "data set"


def _of_scenario(
    file: Path, overrides: tuple[str, ...], data_dir: Path | None
) -> tuple[Dataset, Statistics, str]:
    from bcfl.contracts.phases import Kind
    from bcfl.models.data.soundness import check_dataset
    from bcfl.models.data.statistics import statistics
    from bcfl.scenarios.definition.loading import load
    from bcfl.scenarios.planning.plan import dataset_source
    from bcfl.scenarios.planning.population import populate
    from bcfl.seeds import Seeds

    scenario = load(file, overrides)
    dataset = dataset_source(scenario).load(data_dir)
    check_dataset(dataset)
    population = populate(scenario, dataset, Seeds(scenario.seed))
    parts = population.shares
    kind = "members" if scenario.kind is Kind.CONSORTIUM else "trainers"
    found = statistics(population.train, list(parts.values()), list(parts), dataset.classes)
    return dataset, found, kind


def _about(dataset: Dataset) -> tuple[str, ...]:
    from bcfl.models.data.dataset import shape_words

    inputs = dataset.train.inputs
    shape = shape_words(inputs.shape[1:])
    if dataset.train.tokens:
        form = f"sequences of {shape} tokens, {max(dataset.train.vocabulary, dataset.test.vocabulary)} in the vocabulary"
    else:
        form = f"{shape} numbers, from {inputs.min() * dataset.train.scale:.4g} to {inputs.max() * dataset.train.scale:.4g}"
    return (
        f"{dataset.name}: {dataset.source} (licence: {dataset.licence})",
        *dataset.notes,
        f"{len(dataset.train):,} samples to train on, {len(dataset.test):,} to test on: {form}",
    )


def _draw(figure: Figure, picture: Path) -> None:
    from bcfl.views.kit.canvas import as_svg, save_pdf, save_png, save_svg

    if picture.suffix == ".png":
        save_png(figure, picture)
        return
    svg = as_svg(figure)  # which gives the panels their places, of a PDF too
    if picture.suffix == ".svg":
        save_svg(svg, picture)
    else:
        save_pdf(figure, picture)
